package org.sparkfinetune.engine.tensor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import org.sparkfinetune.engine.tensor.Tensor.ElementType;
import org.sparkfinetune.errors.Bug;

class HostMemoryTest {
  @Test
  void on_the_cpu_nothing_is_copied() {
    try (Torch torch = Torch.start(1);
        Scope scope = torch.scope()) {
      HostMemory hostMemory = new Ops(torch).hostMemory();
      Tensor x = hostMemory.empty(scope, ElementType.FLOAT32, 3);
      assertThat(hostMemory.toDevice(x)).isSameAs(x);
      assertThat(hostMemory.toHost(scope, x)).isSameAs(x);
      assertThat(hostMemory.moveToHost(x)).isSameAs(x);
    }
  }

  @Test
  void elsewhere_host_code_must_not_look_at_a_tensor() {
    try (Torch torch = Torch.start(1, new ComputeDevice.Staged());
        Scope scope = torch.scope()) {
      Ops ops = new Ops(torch);
      Tensor x = ops.ofFloats(scope, new float[] {1, 2, 3}, 3);
      assertThatThrownBy(x::bytes).isInstanceOf(Bug.class).hasMessageContaining("on the device");
      assertThat(ops.hostMemory().toHost(scope, x).toFloats()).containsExactly(1, 2, 3);
    }
  }

  @Test
  void elsewhere_both_ways_are_copies() {
    try (Torch torch = Torch.start(1, new ComputeDevice.Staged());
        Scope scope = torch.scope()) {
      Ops ops = new Ops(torch);
      Tensor x = ops.ofFloats(scope, new float[] {1, 2, 3}, 3);
      Tensor host = ops.hostMemory().toHost(scope, x);
      host.bytes().asFloatBuffer().put(0, 7);
      assertThat(ops.sumOfSquares(x)).isEqualTo(14);
      ops.hostMemory().write(x, (first, bytes) -> bytes.asFloatBuffer().put(2, 0));
      assertThat(ops.hostMemory().moveToHost(x).toFloats()).containsExactly(1, 2, 0);
    }
  }
}
