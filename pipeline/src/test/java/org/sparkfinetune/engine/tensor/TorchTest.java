package org.sparkfinetune.engine.tensor;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.sparkfinetune.engine.tensor.Tensor.ElementType;
import org.sparkfinetune.engine.tensor.Torch.Determinism;

class TorchTest {
  @Test
  void bfloat16_memory_can_be_read_and_written_from_java() {
    try (Torch torch = Torch.start(1);
        Scope scope = torch.scope()) {
      Ops ops = new Ops(torch);
      Tensor x =
          ops.cast(scope, ops.ofFloats(scope, new float[] {1, 2, 3, 4}, 4), ElementType.BFLOAT16);
      assertThat(x.bytes().getShort(2)).isEqualTo((short) 0x4000);
      x.bytes().putShort(2, (short) 0x4080);
      assertThat(ops.cast(scope, x, ElementType.FLOAT32).toFloats()).containsExactly(1, 4, 3, 4);
      assertThat(ops.sumOfSquares(x)).isEqualTo(42.0);
    }
  }

  @ParameterizedTest
  @EnumSource
  void on_the_cpu_rows_are_added_in_their_order_either_way(Determinism determinism) {
    try (Torch torch = Torch.start(1, new ComputeDevice.Cpu(), determinism);
        Scope scope = torch.scope()) {
      Ops ops = new Ops(torch);
      Tensor sums = ops.zeros(scope, ElementType.FLOAT32, 2, 1);
      Tensor rows = ops.ofInts(scope, new int[] {1, 0, 1, 1});
      ops.addRows(scope, sums, rows, ops.ofFloats(scope, new float[] {1e8f, 5, 1, -1e8f}, 4, 1));
      assertThat(sums.toFloats()).containsExactly(5, 0);
    }
  }
}
