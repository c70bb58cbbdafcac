package org.sparkfinetune.engine.tensor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.engine.EngineException;
import ai.djl.pytorch.engine.PtSymbolBlock;
import ai.djl.pytorch.jni.IValue;
import ai.djl.pytorch.jni.IValueUtils;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.sparkfinetune.errors.RunFailure;

/** What a libtorch for CUDA can do without a GPU; skipped on one for CPUs. */
class CudaLibtorchTest {
  private static final String ELF = "\177ELF";

  @BeforeAll
  static void libtorch_for_cuda() {
    Assumptions.assumeTrue(
        System.getenv("PYTORCH_LIBRARY_PATH") != null,
        "PYTORCH_LIBRARY_PATH does not name a libtorch for CUDA.");
  }

  @ParameterizedTest
  @ValueSource(strings = {"sm_80", "sm_86", "sm_89", "sm_90"})
  void kernels_compile(String architecture) {
    byte[] cubin =
        Nvrtc.find(System.getenv()).compile(CudaKernels.source(), "kernels.cu", architecture);
    assertThat(new String(cubin, 0, 4, java.nio.charset.StandardCharsets.ISO_8859_1))
        .isEqualTo(ELF);
  }

  @Test
  void a_mistake_in_a_kernel_is_named() {
    assertThatThrownBy(() -> Nvrtc.find(System.getenv()).compile("int x = y;", "bad.cu", "sm_80"))
        .isInstanceOf(RunFailure.class)
        .hasMessageContaining("bad.cu(1): error: identifier \"y\" is undefined");
  }

  /** Events are made where they are used first, so these need no GPU. */
  @Test
  void streams_compile_and_an_event_that_was_not_recorded_holds_nothing_up() {
    try (Torch torch = Torch.start(1);
        PtSymbolBlock streams = torch.load(Scripts.streams());
        IValue event = IValueUtils.runMethod(streams, "event")) {
      IValueUtils.runMethod(streams, "wait", event).close();
      assertThatThrownBy(
              () -> IValueUtils.runMethod(streams, "stream", IValue.from("cuda:0")).close())
          .isInstanceOf(EngineException.class)
          .hasMessageContaining("CUDA");
    }
  }

  @Test
  void nccl_is_found_and_makes_an_id() {
    Nccl nccl = Nccl.find(System.getenv());
    assertThat(nccl.version()).matches("2\\.\\d{2}\\.\\d{1,2}");
    assertThat(nccl.uniqueId()).hasSize(Nccl.ID_BYTES).isNotEqualTo(nccl.uniqueId());
  }

  /** And so the way by the host is taken. */
  @Test
  void nccl_says_that_there_is_no_gpu() {
    Assumptions.assumeFalse(Files.exists(Path.of("/dev/nvidiactl")), "There is a GPU here.");
    Nccl nccl = Nccl.find(System.getenv());
    byte[] id = nccl.uniqueId();
    assertThatThrownBy(() -> nccl.join(new ComputeDevice.Staged(), id, 0, 1))
        .isInstanceOf(RunFailure.class)
        .hasMessageMatching(
            "NCCL's ncclCommInitRankConfig failed: unhandled cuda error.* It says: .*(?s:.*)");
    assertThatThrownBy(() -> nccl.join(new ComputeDevice.Cuda(0), id, 0, 1))
        .isInstanceOf(RunFailure.class)
        .hasMessageContaining("libcuda.so.1");
  }
}
