package org.sparkfinetune.engine.train;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Map;
import java.util.TreeMap;
import org.sparkfinetune.engine.fsdp.WeightSource;
import org.sparkfinetune.model.family.DecoderConfig;
import org.sparkfinetune.model.family.DecoderWeights;
import org.sparkfinetune.model.quant.DoubleQuantization;
import org.sparkfinetune.model.quant.NestedAbsmax;
import org.sparkfinetune.model.quant.Nf4Codec;
import org.sparkfinetune.model.safetensors.NamedShape;

/**
 * What bitsandbytes 0.50.2 decodes on a CPU with AVX-512. Blocks of 64 run through the whole
 * weight, but its kernel looks for absmax at {@code row * (columns / 64) + column / 64}, which is
 * another block's where rows are no multiple of 64 wide: {@code down_proj} of the golden model (352
 * columns). Other processors, CUDA and we do not. And on any CPU it finds nested codes in a table
 * of 65,536 steps, which for a few blocks in a thousand gives the second nearest. The golden runs
 * named {@code qlora-*} were made on such a processor.
 */
final class Avx512Nf4 implements WeightSource {
  private final WeightSource plain;
  private final Map<String, float[]> decoded = new TreeMap<>();

  Avx512Nf4(DecoderConfig config, WeightSource plain) {
    this.plain = plain;
    for (int layer = 0; layer < config.numHiddenLayers(); layer++) {
      for (NamedShape tensor : DecoderWeights.layer(config, layer)) {
        if (tensor.shape().size() == 2) {
          decoded.put(tensor.name(), decode(tensor));
        }
      }
    }
  }

  @Override
  public void read(String name, long first, float[] out, int count) {
    if (decoded.containsKey(name)) {
      System.arraycopy(decoded.get(name), (int) first, out, 0, count);
    } else {
      plain.read(name, first, out, count);
    }
  }

  private float[] decode(NamedShape tensor) {
    float[] weights = new float[(int) tensor.elements()];
    plain.read(tensor.name(), 0, weights, weights.length);
    Nf4Codec codec = Nf4Codec.fastest();
    float[] absmax = new float[Nf4Codec.blocks(weights.length)];
    codec.absmax(weights, 0, weights.length, absmax, 0);
    ByteBuffer packed = ByteBuffer.allocate(weights.length / 2);
    codec.encode(weights, 0, weights.length, absmax, 0, packed);
    float[] ones = new float[absmax.length];
    java.util.Arrays.fill(ones, 1);
    ByteBuffer codes = ByteBuffer.allocate(weights.length * 4).order(ByteOrder.LITTLE_ENDIAN);
    codec.decodeToFloat32(packed, 0, ones, 0, weights.length, codes, 0);
    float offset =
        DoubleQuantization.offset(DoubleQuantization.sum(absmax, 0, absmax.length), absmax.length);
    NestedAbsmax nested = byTable(absmax, DoubleQuantization.encode(absmax, offset));
    float[] scales = new float[absmax.length];
    DoubleQuantization.decode(nested, 0, scales.length, scales, 0);
    int columns = (int) tensor.dimensions()[1];
    for (int i = 0; i < weights.length; i++) {
      int block = i / columns * (columns / 64) + i % columns / 64;
      weights[i] = codes.getFloat(4 * i) * scales[block];
    }
    return weights;
  }

  /**
   * Nested codes of values rounded to 65,536 steps from -1 to 1, by which bitsandbytes looks up.
   */
  private static NestedAbsmax byTable(float[] absmax, NestedAbsmax nearest) {
    byte[] codes = new byte[absmax.length];
    for (int block = 0; block < codes.length; block++) {
      float value = (absmax[block] - nearest.offset()) / nearest.absmax2()[block / 256];
      double rounded = Math.floor((value + 1) * 32767.5f + 0.5f) / 32767.5 - 1;
      int code = 0;
      for (int other = 1; other < nearest.map().length; other++) {
        double apart = Math.abs(nearest.map()[other] - rounded);
        if (apart < Math.abs(nearest.map()[code] - rounded)) {
          code = other;
        }
      }
      codes[block] = (byte) code;
    }
    return new NestedAbsmax(codes, nearest.absmax2(), nearest.offset());
  }
}
