package org.sparkfinetune.engine.train;

import java.nio.file.Path;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.aggregator.ArgumentsAccessor;
import org.junit.jupiter.params.provider.CsvSource;
import org.sparkfinetune.testing.Cuda;

class GoldenGpuTest {
  @TempDir Path scratch;

  @ParameterizedTest
  @CsvSource(textBlock = DeviceCases.CASES)
  void on_a_gpu_losses_norms_and_weights_are_those_of_the_reference(ArgumentsAccessor row)
      throws Exception {
    DeviceCases.compare(row, Cuda.assumed(), scratch);
  }
}
