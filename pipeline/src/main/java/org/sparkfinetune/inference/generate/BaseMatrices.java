package org.sparkfinetune.inference.generate;

import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.inference.generate.DecodingModel.BaseForm;
import org.sparkfinetune.inference.generate.Matrix.Nf4Matrix;
import org.sparkfinetune.inference.generate.Matrix.Nf4Matrix.Rounded;
import org.sparkfinetune.inference.generate.Matrix.PlainMatrix;
import org.sparkfinetune.model.family.ModelFolder;
import org.sparkfinetune.model.family.WeightValues;
import org.sparkfinetune.model.family.WeightValues.QuantizedValues;
import org.sparkfinetune.model.family.WeightValues.QuantizedValues.Rounding;
import org.sparkfinetune.model.quant.Nf4Codec;
import org.sparkfinetune.model.quant.PrequantizedWeight;
import org.sparkfinetune.model.safetensors.DType;
import org.sparkfinetune.model.safetensors.TensorInfo;

/**
 * A base model's matrices, which adapters leave as they are: each is read, and quantised, once. May
 * be used by any number of threads.
 */
final class BaseMatrices {
  private static final int PIECE = 1 << 20;

  private final BaseForm form;
  private final UnnamedFile file;
  private final Map<String, Matrix> made = new ConcurrentHashMap<>();

  /**
   * @param file for what cannot be mapped from the checkpoint; the caller's to close
   */
  BaseMatrices(BaseForm form, UnnamedFile file) {
    this.form = form;
    this.file = file;
  }

  /** A linear's weight in the base's form. */
  Matrix linear(ModelFolder folder, String name, int out, int in) {
    return made.computeIfAbsent(name, weight -> read(folder, weight, out, in));
  }

  /** A weight as it is stored. */
  PlainMatrix plain(ModelFolder folder, String name, int out, int in) {
    return (PlainMatrix) made.computeIfAbsent(name, weight -> stored(folder, weight, out, in));
  }

  /** A linear's weight as {@link #linear} decodes it. */
  WeightValues computedWith(ModelFolder folder, String name) {
    WeightValues values = folder.values(name);
    if (folder.isQuantized(name) || form == BaseForm.AS_STORED) {
      return values;
    }
    long elements =
        Arrays.stream(folder.checkpoint().info(name).shape()).reduce(1, (x, y) -> x * y);
    return new QuantizedValues(
        values, elements, form == BaseForm.NF4 ? Rounding.BFLOAT16 : Rounding.FLOAT32);
  }

  private Matrix read(ModelFolder folder, String name, int out, int in) {
    if (folder.isQuantized(name)) {
      PrequantizedWeight weight = PrequantizedWeight.read(folder.checkpoint(), name);
      ByteBuffer packed = bytes(folder, name, weight.packedBytes());
      Rounded rounded = weight.dtype() == DType.F32 ? Rounded.FLOAT32 : Rounded.BF16;
      return new Nf4Matrix(out, in, packed, weight.absmax(), rounded);
    }
    return switch (form) {
      case AS_STORED -> stored(folder, name, out, in);
      case NF4 -> quantized(folder.values(name), out, in, Rounded.BF16);
      case NF4_FLOAT32 -> quantized(folder.values(name), out, in, Rounded.FLOAT32);
    };
  }

  private Nf4Matrix quantized(WeightValues values, int out, int in, Rounded rounded) {
    long elements = (long) out * in;
    ByteBuffer packed = file.allocate((elements + 1) / 2);
    float[] piece = new float[(int) Math.min(PIECE, elements)];
    float[] absmax = new float[Nf4Codec.blocks(piece.length)];
    for (long at = 0; at < elements; at += PIECE) {
      int n = (int) Math.min(PIECE, elements - at);
      values.read(at, piece, n);
      Nf4Codec.fastest().absmax(piece, 0, n, absmax, 0);
      Nf4Codec.fastest().encode(piece, 0, n, absmax, 0, packed);
    }
    return new Nf4Matrix(out, in, packed.flip(), QuantizedValues.scales(values, elements), rounded);
  }

  private PlainMatrix stored(ModelFolder folder, String name, int out, int in) {
    TensorInfo info = folder.checkpoint().info(name);
    return new PlainMatrix(out, in, bytes(folder, name, info.byteCount()), info.dtype());
  }

  /** In place if the checkpoint is on a local disk, else copied to one. */
  private ByteBuffer bytes(ModelFolder folder, String name, long count) {
    if (count > Integer.MAX_VALUE) {
      throw new UserError(
          "%s has %s bytes; weights of more than 2 GiB cannot be decoded with here."
              .formatted(name, count));
    }
    return folder
        .checkpoint()
        .map(name, 0, count)
        .orElseGet(
            () -> {
              ByteBuffer copy = file.allocate(count);
              folder.checkpoint().read(name, 0, copy);
              return copy.flip();
            });
  }
}
