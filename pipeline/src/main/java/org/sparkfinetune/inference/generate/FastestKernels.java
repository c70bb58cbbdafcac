package org.sparkfinetune.inference.generate;

import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Chooses the kernels once per JVM, on first use. */
final class FastestKernels {
  private static final Logger LOG = LoggerFactory.getLogger(FastestKernels.class);
  private static final String MODULE = "jdk.incubator.vector";

  static final Kernels KERNELS = choose();

  private FastestKernels() {}

  private static Kernels choose() {
    if (ModuleLayer.boot().findModule(MODULE).isEmpty()) {
      LOG.warn(
          "This JVM was started without --add-modules {}: decoding runs scalar, several times"
              + " slower.",
          MODULE);
      return new ScalarKernels();
    }
    try {
      // By name, so that verifying this class never loads one that names the module.
      return Class.forName("org.sparkfinetune.inference.generate.VectorKernels")
          .asSubclass(Kernels.class)
          .getDeclaredConstructor()
          .newInstance();
    } catch (ReflectiveOperationException | LinkageError e) {
      LOG.warn("Decoding runs scalar, several times slower, because vectors failed: {}", e + "");
      return new ScalarKernels();
    }
  }
}
