package org.sparkfinetune.inference.generate;

import java.util.Locale;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.stream.Stream;
import org.sparkfinetune.engine.tensor.Tensor.ElementType;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.inference.generate.DecodingModel.Layer;
import org.sparkfinetune.inference.generate.DecodingModel.Mlp.Mixture;
import org.sparkfinetune.inference.generate.Matrix.Nf4Matrix;
import org.sparkfinetune.model.family.DecoderConfig;
import org.sparkfinetune.model.quant.NestedAbsmax;
import org.sparkfinetune.model.quant.Nf4Codec;

/**
 * How a model fits a device.
 *
 * @param weights bytes, with those of a layer that is decoded
 * @param cache bytes that are left for keys and values, if the device's memory is known
 */
record DeviceFit(Kept kept, long weights, OptionalLong cache) {
  /** For activations, logits, and what the allocator cannot reuse. */
  private static final long PASSES = 1L << 30;

  /** Tokens whose keys and values there has to be room for. */
  private static final int LEAST_TOKENS = 4096;

  /** How weights in NF4 lie on the device. */
  enum Kept {
    DECODED,
    PACKED
  }

  /**
   * @param free bytes of the device; empty if nobody knows
   * @throws UserError if the weights do not fit
   */
  static DeviceFit of(DecodingModel model, ElementType type, OptionalLong free) {
    if (free.isEmpty()) {
      return new DeviceFit(Kept.DECODED, bytes(model, Kept.DECODED, type), free);
    }
    for (Kept kept : Kept.values()) {
      long weights = bytes(model, kept, type);
      long left = free.getAsLong() - PASSES - weights;
      if (left >= leastCache(model, type)) {
        return new DeviceFit(kept, weights, OptionalLong.of(left));
      }
    }
    throw new UserError(objection(model, type, free).orElseThrow());
  }

  private static long leastCache(DecodingModel model, ElementType type) {
    long tokens = Math.min(model.config().contextLength(), LEAST_TOKENS);
    return tokens * cacheBytes(model.config(), type);
  }

  /** Why weights do not fit. */
  static Optional<String> objection(DecodingModel model, ElementType type, OptionalLong free) {
    long beside = PASSES + leastCache(model, type);
    long packed = bytes(model, Kept.PACKED, type);
    long decoded = bytes(model, Kept.DECODED, type);
    if (free.isEmpty() || Math.min(packed, decoded) + beside <= free.getAsLong()) {
      return Optional.empty();
    }
    return Optional.of(
        "the model's weights take %s GiB of the GPU, %s GiB with what is in NF4 packed, and a pass with keys and values of %s tokens takes %s GiB; %s GiB are free. Use base: dequantized, which is NF4, if the model is not in it, a GPU with more memory, or device: cpu."
            .formatted(
                gib(decoded),
                gib(packed),
                Math.min(model.config().contextLength(), LEAST_TOKENS),
                gib(beside),
                gib(free.getAsLong())));
  }

  static String gib(long bytes) {
    return String.format(Locale.ROOT, "%.1f", bytes / (double) (1L << 30));
  }

  /** Of all layers' keys and values of a token. */
  static long cacheBytes(DecoderConfig config, ElementType type) {
    return 2 * config.numHiddenLayers() * config.keyWidth() * type.bytes();
  }

  private static long bytes(DecodingModel model, Kept kept, ElementType type) {
    long all =
        model
                .linears()
                .map(Linear::matrix)
                .distinct()
                .mapToLong(matrix -> bytes(matrix, kept, type))
                .sum()
            + model
                .linears()
                .flatMap(linear -> linear.lora().stream())
                .mapToLong(lora -> (long) lora.r() * (lora.in() + lora.out()) * type.bytes())
                .sum();
    long largest =
        kept == Kept.DECODED
            ? 0
            : model.layers().stream().mapToLong(layer -> decodedBytes(layer, type)).max().orElse(0);
    return all + largest;
  }

  private static long bytes(Matrix matrix, Kept kept, ElementType type) {
    return kept == Kept.PACKED && matrix instanceof Nf4Matrix nf4 && nested(nf4)
        ? packedBytes(nf4)
        : (long) matrix.out() * matrix.in() * type.bytes();
  }

  /** Scales that are not quantised themselves have no packed form here. */
  static boolean nested(Nf4Matrix matrix) {
    return matrix.absmax() instanceof NestedAbsmax;
  }

  static long packedBytes(Nf4Matrix matrix) {
    return constantsAt(matrix.absmax().blocks())
        + Float.BYTES * (1L + ((NestedAbsmax) matrix.absmax()).absmax2().length);
  }

  /** Where the scales of scales begin among packed bytes: behind codes and nested absmax. */
  static long constantsAt(long blocks) {
    long codes = blocks * (Nf4Codec.BLOCK_BYTES + 1);
    return (codes + Float.BYTES - 1) / Float.BYTES * Float.BYTES;
  }

  private static long decodedBytes(Layer layer, ElementType type) {
    Stream<Linear> experts =
        layer.mlp() instanceof Mixture mixture ? mixture.experts().get(0).linears() : Stream.of();
    return Stream.concat(layer.linears(), experts)
        .mapToLong(linear -> (long) linear.out() * linear.in() * type.bytes())
        .sum();
  }
}
