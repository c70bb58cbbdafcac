package org.sparkfinetune.model.quant;

import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Decodes one whole block of 64 weights. Implementations exist per width because the compiler turns
 * vectors into instructions only where the species is a constant of the class.
 */
interface Nf4Kernel {

  /**
   * To bf16.
   *
   * @param pairs packed, the block at {@code [at, at + 32)}
   * @param decoded receives it at the same places, two bf16 an int, the first in the low half
   */
  void decodeToBf16(byte[] pairs, int at, float absmax, int[] decoded);

  /**
   * To float32.
   *
   * @param decoded receives the block at {@code [2 * at, 2 * at + 64)}
   */
  void decodeToFloat32(byte[] pairs, int at, float absmax, float[] decoded);

  /** Chooses the codec once per JVM, on first use. */
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
}
