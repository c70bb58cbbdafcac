package org.sparkfinetune.engine.fsdp;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.sparkfinetune.engine.fsdp.WeightSource.PlainType;
import org.sparkfinetune.engine.tensor.ComputeDevice;
import org.sparkfinetune.engine.tensor.Tensor.ElementType;
import org.sparkfinetune.testing.Cuda;

class DeviceDecoderGpuTest {
  @TempDir Path folder;

  @ParameterizedTest
  @EnumSource(
      value = ElementType.class,
      names = {"FLOAT32", "BFLOAT16"})
  void a_gpu_decodes_to_the_bits_of_the_vector_codec(ElementType type) {
    ComputeDevice gpu = Cuda.assumed();
    try (DecodedShard shard = DecodedShard.write(3, PlainType.BFLOAT16, folder)) {
      Map<String, byte[]> host = shard.decoded(new ComputeDevice.Cpu(), type);
      Map<String, byte[]> device = shard.decoded(gpu, type);
      host.forEach((name, bytes) -> assertThat(device.get(name)).as(name).isEqualTo(bytes));
    }
  }
}
