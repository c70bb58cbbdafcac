package org.sparkfinetune.model.quant;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The fast codecs against the simple one; {@code -Dnf4.weights=…} for more than the default. */
final class VectorNf4Test {
  private static final int WEIGHTS = Integer.getInteger("nf4.weights", 2_000_000);
  private static final Nf4Codec SCALAR = new ScalarNf4();

  /** The width that this processor has, on many weights, and every width on some. */
  static Stream<Sample> samples() {
    int preferred = new VectorNf4().toString().startsWith("512") ? 512 : 256;
    return Stream.of(
            new Sample(preferred, WEIGHTS + 63, 1),
            new Sample(preferred, 12_345, 2),
            new Sample(preferred, 1, 3),
            new Sample(preferred, 64, 4),
            new Sample(256, 20_001, 5),
            new Sample(512, 20_001, 6))
        .distinct();
  }

  record Sample(int bits, int count, long seed) {
    Nf4Codec codec() {
      return new VectorNf4(bits);
    }

    /** Each block of another kind: of any scale, constant, zero, sparse, at ties, subnormal. */
    float[] weights(int from) {
      Random random = new Random(seed);
      float[] weights = new float[from + count];
      float[] bounds = Nf4.upperBounds();
      for (int at = from; at < weights.length; at += Nf4Codec.BLOCK) {
        int kind = random.nextInt(8);
        float scale = (float) Math.exp(random.nextGaussian() * 8);
        for (int i = at; i < Math.min(at + Nf4Codec.BLOCK, weights.length); i++) {
          weights[i] =
              switch (kind) {
                case 0 -> 0;
                case 1 -> scale;
                case 2 -> random.nextInt(10) == 0 ? -scale : -0.0f;
                case 3 -> i == at ? scale : scale * bounds[random.nextInt(bounds.length)];
                case 4 -> Float.MIN_VALUE * random.nextInt(1000);
                case 5 -> Float.MAX_VALUE * (2 * random.nextFloat() - 1);
                default -> (float) random.nextGaussian() * scale;
              };
        }
      }
      return weights;
    }
  }

  @ParameterizedTest
  @MethodSource("samples")
  void encodes_and_decodes_the_same_bits(Sample sample) {
    int from = 3;
    int count = sample.count();
    float[] weights = sample.weights(from);
    float[] absmax = new float[2 + Nf4Codec.blocks(count)];
    float[] expectedAbsmax = absmax.clone();
    sample.codec().absmax(weights, from, count, absmax, 2);
    SCALAR.absmax(weights, from, count, expectedAbsmax, 2);
    assertThat(absmax).isEqualTo(expectedAbsmax);

    ByteBuffer packed = ByteBuffer.allocateDirect(5 + (count + 1) / 2).position(5);
    ByteBuffer expectedPacked = ByteBuffer.allocate(packed.capacity()).position(5);
    sample.codec().encode(weights, from, count, absmax, 2, packed);
    SCALAR.encode(weights, from, count, absmax, 2, expectedPacked);
    assertThat(packed.hasRemaining()).isFalse();
    assertThat(packed.rewind().equals(expectedPacked.rewind())).isTrue();

    ByteBuffer decoded = ByteBuffer.allocateDirect(7 + 4 * count);
    ByteBuffer expected = ByteBuffer.allocateDirect(decoded.capacity());
    sample.codec().decodeToFloat32(packed, 5, absmax, 2, count, decoded, 7);
    SCALAR.decodeToFloat32(packed, 5, absmax, 2, count, expected, 7);
    assertThat(decoded.equals(expected)).isTrue();
    sample.codec().decodeToBf16(packed, 5, absmax, 2, count, decoded, 6);
    SCALAR.decodeToBf16(packed, 5, absmax, 2, count, expected, 6);
    assertThat(decoded.equals(expected)).isTrue();
  }

  @ParameterizedTest
  @MethodSource("samples")
  void decodes_any_range_of_blocks_with_nested_absmax(Sample sample) {
    int blocks = 1500;
    Random random = new Random(sample.seed());
    byte[] codes = new byte[blocks];
    random.nextBytes(codes);
    float[] absmax2 = {0.1f, 2, 0, 1e-6f, 3, 5};
    NestedAbsmax nested = new NestedAbsmax(codes, absmax2, 0.5f);
    byte[] packed = new byte[blocks * Nf4Codec.BLOCK_BYTES];
    random.nextBytes(packed);
    float[] absmax = new float[blocks];
    DoubleQuantization.decode(nested, 0, blocks, absmax, 0);

    int firstBlock = random.nextInt(400);
    int count = 64 * (blocks - firstBlock) - random.nextInt(64);
    ByteBuffer decoded = ByteBuffer.allocate(4 * count);
    ByteBuffer expected = ByteBuffer.allocate(4 * count);
    ByteBuffer source = ByteBuffer.wrap(packed).asReadOnlyBuffer();
    Nf4Codec codec = sample.codec();
    codec.decodeToBf16(source, firstBlock * 32, nested, firstBlock, count, decoded, 0);
    SCALAR.decodeToBf16(source, firstBlock * 32, absmax, firstBlock, count, expected, 0);
    assertThat(decoded).isEqualTo(expected);
    NestedAbsmax slice = nested.slice(firstBlock, blocks - firstBlock);
    codec.decodeToFloat32(source, firstBlock * 32, slice, 0, count, decoded, 0);
    SCALAR.decodeToFloat32(source, firstBlock * 32, absmax, firstBlock, count, expected, 0);
    assertThat(decoded).isEqualTo(expected);
  }

  @ParameterizedTest
  @ValueSource(floats = {Float.NaN, Float.POSITIVE_INFINITY})
  void weights_that_are_not_finite_show_in_absmax(float bad) {
    float[] weights = new float[128];
    weights[70] = bad;
    for (Nf4Codec codec : new Nf4Codec[] {SCALAR, new VectorNf4(256), new VectorNf4(512)}) {
      float[] absmax = new float[2];
      codec.absmax(weights, 0, 128, absmax, 0);
      assertThat(absmax).containsExactly(0, bad);
    }
  }
}
