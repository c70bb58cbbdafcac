package org.sparkfinetune.engine.tensor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.sparkfinetune.engine.tensor.NcclCommunicator.Place;
import org.sparkfinetune.engine.tensor.Tensor.ElementType;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.testing.Cuda;

/** NCCL itself on one GPU: a rank that is alone exchanges with itself. */
@Timeout(120)
class NcclGpuTest {
  @Test
  void what_a_rank_sends_to_itself_arrives_in_the_order_of_the_stream() {
    ComputeDevice gpu = Cuda.assumed();
    try (Torch torch = Torch.start(1, gpu);
        Scope scope = torch.scope()) {
      Ops ops = new Ops(torch);
      NcclCommunicator communicator = joined(gpu);
      try {
        Tensor sent = ops.ofFloats(scope, new float[] {1, 2, 3, 4, 5}, 5);
        Tensor received = ops.zeros(scope, ElementType.FLOAT32, 6);
        for (int i = 0; i < 3; i++) {
          // Neither operators before the exchange nor after it are waited for.
          ops.add(scope, sent, sent);
          communicator.exchange(3, peer -> new Place(sent, 2), peer -> new Place(received, 1));
        }
        assertThat(ops.hostMemory().toHost(scope, received).toFloats())
            .containsExactly(0, 24, 32, 40, 0, 0);
      } finally {
        assertThat(communicator.leave()).isTrue();
      }
    }
  }

  @Test
  void nothing_goes_through_it_after_an_abort() {
    ComputeDevice gpu = Cuda.assumed();
    try (Torch torch = Torch.start(1, gpu);
        Scope scope = torch.scope()) {
      Tensor x = new Ops(torch).zeros(scope, ElementType.FLOAT32, 2);
      NcclCommunicator communicator = joined(gpu);
      assertThat(communicator.abort()).isTrue();
      assertThatThrownBy(
              () -> communicator.exchange(1, peer -> new Place(x, 0), peer -> new Place(x, 1)))
          .isInstanceOf(RunFailure.class)
          .hasMessageContaining("aborted");
    }
  }

  private static NcclCommunicator joined(ComputeDevice gpu) {
    Nccl nccl = Nccl.find(System.getenv());
    NcclCommunicator communicator = nccl.join(gpu, nccl.uniqueId(), 0, 1);
    while (!communicator.isReady()) {
      LockSupport.parkNanos(1_000_000);
    }
    return communicator;
  }
}
