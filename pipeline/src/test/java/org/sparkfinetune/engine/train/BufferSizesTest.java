package org.sparkfinetune.engine.train;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.sparkfinetune.bench.ModelShape;
import org.sparkfinetune.engine.tensor.DeviceSizes;
import org.sparkfinetune.model.family.DecoderConfig;

class BufferSizesTest {
  @ParameterizedTest
  @CsvSource({
    "0, 0",
    "1, 16",
    "17, 32",
    "64, 64",
    "65, 128",
    "944, 960",
    "1024, 1024",
    "2100, 2176"
  })
  void a_length_is_rounded_up(int tokens, int length) {
    assertThat(BufferSizes.padded(tokens)).isEqualTo(length);
  }

  @Test
  void a_batch_has_one_of_few_lengths() {
    assertThat(IntStream.rangeClosed(1, 1024).map(BufferSizes::padded).distinct()).hasSize(18);
    assertThat(IntStream.rangeClosed(1, 8192).map(BufferSizes::padded).distinct()).hasSize(66);
  }

  @ParameterizedTest
  @CsvSource({"llama-135m, 1024, 16384", "llama-3-8b, 512, 4681", "llama-3-70b, 512, 2340"})
  void a_gpu_is_given_more_tokens_at_a_time(String shape, int onCpu, int onGpu) {
    DecoderConfig model = ModelShape.named(shape).config();
    assertThat(BufferSizes.batchTokens(model, DeviceSizes.OF_CPU)).isEqualTo(onCpu);
    assertThat(BufferSizes.batchTokens(model, DeviceSizes.OF_GPU)).isEqualTo(onGpu);
  }

  @Test
  void rounding_adds_little_to_a_long_one() {
    assertThat(IntStream.rangeClosed(1, 70_000))
        .allMatch(n -> BufferSizes.padded(n) >= n && BufferSizes.padded(n) < n + 64 + n / 16);
  }
}
