package org.sparkfinetune.engine.tensor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.engine.EngineException;
import ai.djl.pytorch.jni.IValue;
import java.util.Optional;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.sparkfinetune.errors.RunFailure;

class DeviceFailureTest {
  /** CUDACachingAllocator.cpp of libtorch 2.7. */
  private static final String OUT_OF_MEMORY =
      "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 1 has a total capacity of 79.15 GiB of"
          + " which 12.94 MiB is free. Including non-PyTorch memory, this process has 77.80 GiB"
          + " memory in use. Of the allocated memory 75.10 GiB is allocated by PyTorch, and 2.20 GiB"
          + " is reserved by PyTorch but unallocated. If reserved but unallocated memory is large"
          + " try setting PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True to avoid fragmentation."
          + "  See documentation for Memory Management";

  private static Torch torch;

  @BeforeAll
  static void start() {
    torch = Torch.start(1);
  }

  @AfterAll
  static void stop() {
    torch.close();
  }

  private static EngineException thrown(String words) {
    return CudaWords.thrown(torch, words);
  }

  private static Optional<RunFailure> failure(String words) {
    return CudaWords.failure(torch, words);
  }

  @Test
  void out_of_memory_says_what_was_held_and_what_to_lower() {
    RunFailure failure = failure(OUT_OF_MEMORY).orElseThrow();
    assertThat(failure)
        .hasMessageStartingWith(
            "GPU 3 (cuda:1) has no memory left for 2.00 GiB more, in attention. It has 79.15 GiB,"
                + " 12.94 MiB of it are free, this process holds 77.80 GiB, 75.10 GiB of that are"
                + " tensors, 2.20 GiB are kept by libtorch for later use;")
        .hasMessageContaining("per_device_train_batch_size")
        .hasMessageContaining("expandable_segments:True");
    assertThat(DeviceFailure.endsProcess(failure)).isFalse();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "CUDA error: out of memory",
        "CUDA driver error: out of memory",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "NCCL's communicator failed: unhandled cuda error. It says: Cuda failure 2 'out of memory'"
      })
  void memory_that_cuda_itself_lacks_is_memory_too(String words) {
    RunFailure failure = failure(words).orElseThrow();
    assertThat(failure).hasMessageContaining("has no memory left").hasMessageContaining(words);
    assertThat(DeviceFailure.endsProcess(failure)).isFalse();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "CUDA error: an illegal memory access was encountered",
        "CUDA error: device-side assert triggered",
        "CUDA error: unspecified launch failure",
        "CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasGemmEx`",
        "CUDA driver error: invalid argument",
        "NCCL's communicator failed: unhandled cuda error (run with NCCL_DEBUG=INFO for details).",
        "CUDA error: uncorrectable ECC error encountered"
      })
  void any_other_error_of_cuda_ends_the_process(String words) {
    RunFailure failure = failure(words).orElseThrow();
    assertThat(failure)
        .hasMessageContaining("CUDA failed on GPU 3 (cuda:1), seen in attention")
        .hasMessageContaining(words)
        .hasMessageContaining("the executor ends")
        .hasMessageContaining("CUDA_LAUNCH_BLOCKING=1");
    assertThat(DeviceFailure.endsProcess(failure)).isTrue();
    assertThat(DeviceFailure.endsProcess(new IllegalStateException(failure))).isTrue();
  }

  @Test
  void mistakes_of_operators_stay_what_they_are() {
    assertThat(failure("the size of tensor a must match the size of tensor b")).isEmpty();
    assertThat(
            DeviceFailure.of(
                thrown("CUDA error: misaligned address"), "attention", new ComputeDevice.Cpu()))
        .isEmpty();
    assertThatThrownBy(() -> torch.number("catch_up", IValue.from("nowhere")))
        .isInstanceOf(EngineException.class);
  }

  @Test
  void memory_that_the_host_lacks_is_named_by_the_real_allocator() {
    try (Scope scope = torch.scope()) {
      HostMemory memory = new HostMemory(torch);
      assertThatThrownBy(() -> memory.empty(scope, Tensor.ElementType.FLOAT32, 1L << 52))
          .isInstanceOf(RunFailure.class)
          .hasMessageStartingWith(
              "This host gave no 16777216.00 GiB more to libtorch, in host_empty.")
          .hasMessageContaining("spark.executor.memoryOverhead");
    }
  }

  @ParameterizedTest
  @CsvSource({
    "NO_DRIVER, Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU",
    "OLD_DRIVER, The NVIDIA driver on your system is too old (found version 11040). Please update",
    "NO_GPU, No CUDA GPUs are available",
    "NO_SUCH_GPU, CUDA error: invalid device ordinal",
    "NO_CODE_FOR_GPU, CUDA error: no kernel image is available for execution on the device",
    "IN_USE, CUDA error: all CUDA-capable devices are busy or unavailable",
    "NO_CUDA_IN_LIBTORCH, PyTorch is not linked with support for cuda devices",
    "OTHER, CUDA error: system not yet initialized"
  })
  void what_keeps_cuda_from_starting_is_told_apart(CudaTrouble.Kind kind, String words) {
    CudaTrouble trouble = CudaTrouble.said(thrown(words).getMessage());
    assertThat(trouble.kind()).isEqualTo(kind);
    assertThat(trouble.words()).contains(words);
  }

  @Test
  void other_errors_of_cuda_keep_their_number_and_words() {
    CudaTrouble trouble =
        CudaTrouble.said(
            thrown(
                    "Unexpected error from cudaGetDeviceCount(). Did you run some cuda functions"
                        + " before? Error 802: system not yet initialized")
                .getMessage());
    assertThat(trouble.what()).contains("CUDA does not start: ").doesNotEndWith(".");
    assertThat(
            CudaTrouble.said(
                    "Unexpected error from cudaGetDeviceCount(). Did you? Error 802: not yet.")
                .what())
        .isEqualTo("CUDA does not start: error 802: not yet");
  }

  @Test
  void the_libtorch_here_says_itself_why_it_cannot_compute_on_a_gpu() {
    Optional<CudaTrouble> trouble = Torch.trouble(new ComputeDevice.Cuda(77));
    assertThat(trouble.orElseThrow().kind())
        .isIn(
            CudaTrouble.Kind.NO_CUDA_IN_LIBTORCH,
            CudaTrouble.Kind.NO_DRIVER,
            CudaTrouble.Kind.NO_SUCH_GPU);
    if (!LibtorchFolder.here().isNamed()) {
      assertThat(trouble.get().kind()).isEqualTo(CudaTrouble.Kind.NO_CUDA_IN_LIBTORCH);
    }
    assertThatThrownBy(() -> Torch.start(1, new ComputeDevice.Cuda(77)))
        .isInstanceOf(RunFailure.class)
        .hasMessageContaining("libtorch cannot compute on GPU 77 of this host (cuda:77): ")
        .hasMessageContaining(trouble.get().what());
  }
}
