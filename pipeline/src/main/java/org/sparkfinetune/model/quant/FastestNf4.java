package org.sparkfinetune.model.quant;

import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Chooses the codec once per JVM, on first use. A class of its own that names no kernel: without
 * the vector module none may be loaded.
 */
final class FastestNf4 {
  private static final Logger LOG = LoggerFactory.getLogger(Nf4Codec.class);
  private static final String MODULE = "jdk.incubator.vector";

  static final Nf4Codec CODEC = choose();

  private FastestNf4() {}

  private static Nf4Codec choose() {
    if (ModuleLayer.boot().findModule(MODULE).isEmpty()) {
      LOG.warn(
          "This JVM was started without --add-modules {}: NF4 runs scalar, several times slower.",
          MODULE);
      return new ScalarNf4();
    }
    try {
      // By name, so that verifying this class never loads one that names the module.
      Nf4Codec codec =
          Class.forName("org.sparkfinetune.model.quant.VectorNf4")
              .asSubclass(Nf4Codec.class)
              .getDeclaredConstructor()
              .newInstance();
      LOG.info("NF4 runs on {}.", codec);
      return codec;
    } catch (ReflectiveOperationException | LinkageError e) {
      // An incubating module changes between releases of Java, and some processors have no
      // vectors.
      LOG.warn("NF4 runs scalar, several times slower, because vectors failed: {}", e.toString());
      return new ScalarNf4();
    }
  }
}
