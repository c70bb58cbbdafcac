package org.sparkfinetune.engine.fsdp;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.sparkfinetune.engine.fsdp.WeightSource.PlainType;
import org.sparkfinetune.engine.tensor.ComputeDevice;
import org.sparkfinetune.engine.tensor.Tensor.ElementType;

class DeviceDecoderTest {
  @TempDir Path folder;

  @ParameterizedTest
  @CsvSource({
    "1, BFLOAT16, FLOAT32",
    "1, BFLOAT16, BFLOAT16",
    "3, BFLOAT16, BFLOAT16",
    "3, FLOAT32, FLOAT32",
    "8, BFLOAT16, FLOAT32",
  })
  void the_script_decodes_to_the_bits_of_the_vector_codec(
      int ranks, PlainType plain, ElementType type) {
    try (DecodedShard shard = DecodedShard.write(ranks, plain, folder)) {
      Map<String, byte[]> host = shard.decoded(new ComputeDevice.Cpu(), type);
      for (long resident : new long[] {0, Long.MAX_VALUE}) {
        Map<String, byte[]> device = shard.decoded(new ComputeDevice.Staged(), type, resident);
        assertThat(device).hasSameSizeAs(host).isNotEmpty();
        host.forEach((name, bytes) -> assertThat(device.get(name)).as(name).isEqualTo(bytes));
      }
    }
  }
}
