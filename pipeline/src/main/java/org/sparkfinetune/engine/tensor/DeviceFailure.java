package org.sparkfinetune.engine.tensor;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.errors.Sentence;

/**
 * What a device makes fail in the middle of a run, told from mistakes of scripts by what libtorch
 * says: no memory left, which a smaller step mends, and everything else of CUDA's, after which no
 * call of the process can be trusted.
 */
public final class DeviceFailure {
  private static final Pattern NO_MEMORY =
      Pattern.compile(
          "CUDA out of memory|CUDA (?:driver )?error: out of memory|CUBLAS_STATUS_ALLOC_FAILED"
              + "|Cuda failure(?: \\d+)? 'out of memory'");
  private static final Pattern HOST_MEMORY =
      Pattern.compile("DefaultCPUAllocator: [^:]*: you tried to allocate (\\d+) bytes");
  private static final Pattern OF_CUDA =
      Pattern.compile(
          "CUDA (?:driver )?error|cuDNN error|CUDNN_STATUS_|unspecified launch failure"
              + "|unhandled cuda error");

  /** CUDACachingAllocator.cpp of libtorch 2.7: "2.00 GiB", "512.00 MiB", "4.00 KiB", "2 bytes". */
  private static final String SIZE = "(\\d+(?:\\.\\d+)? (?:bytes|[KMG]iB))";

  private static final Pattern ASKED = Pattern.compile("Tried to allocate " + SIZE);
  private static final Pattern CAPACITY =
      Pattern.compile("total capacity of " + SIZE + " of which " + SIZE + " is free");
  private static final Pattern OF_PROCESS =
      Pattern.compile("this process has " + SIZE + " memory in use");
  private static final Pattern IN_TENSORS =
      Pattern.compile("Of the allocated memory " + SIZE + " is allocated by PyTorch");
  private static final Pattern KEPT =
      Pattern.compile("and " + SIZE + " is reserved by PyTorch but unallocated");

  private static final String LOWER =
      "Lower per_device_train_batch_size or max_seq_length (batch_size where answers are made), set"
          + " gradient_checkpointing: true or activation_offload: true, give the run more ranks, or let"
          + " fewer frozen weights stay on the GPU by a smaller gpu_memory;"
          + " plan says what a rank needs";

  private DeviceFailure() {}

  /**
   * The failure that an operator's error stands for; empty if it is the operator's own.
   *
   * @param operator as scripts call it, or the library that it comes from
   */
  public static Optional<RunFailure> of(RuntimeException e, String operator, ComputeDevice device) {
    String words = CudaTrouble.wordsIn(String.valueOf(e.getMessage()));
    Matcher host = HOST_MEMORY.matcher(words);
    if (host.find()) {
      return Optional.of(new RunFailure(outOfHostMemory(host.group(1), operator), e));
    }
    if (!(device instanceof ComputeDevice.Cuda gpu)) {
      return Optional.empty();
    }
    if (NO_MEMORY.matcher(words).find()) {
      return Optional.of(new RunFailure(outOfMemory(words, operator, gpu), e));
    }
    return OF_CUDA.matcher(words).find()
        ? Optional.of(lost(words, operator, gpu, e))
        : Optional.empty();
  }

  private static String outOfMemory(String words, String operator, ComputeDevice.Cuda gpu) {
    List<String> held = new ArrayList<>();
    found(CAPACITY, words, 1).ifPresent(size -> held.add("It has " + size));
    found(CAPACITY, words, 2).ifPresent(size -> held.add(size + " of it are free"));
    found(OF_PROCESS, words, 1).ifPresent(size -> held.add("this process holds " + size));
    found(IN_TENSORS, words, 1).ifPresent(size -> held.add(size + " of that are tensors"));
    found(KEPT, words, 1).ifPresent(size -> held.add(size + " are kept by libtorch for later use"));
    String what =
        "GPU %s (%s) has no memory left for %s more, in %s."
            .formatted(
                gpu.onHost(),
                gpu.text(),
                found(ASKED, words, 1).orElse("what was asked for"),
                operator);
    String holds =
        held.isEmpty()
            ? " libtorch says: " + Sentence.ended(CudaTrouble.shortened(words))
            : " " + String.join(", ", held) + "; what is missing is held by others.";
    return what
        + holds
        + " "
        + LOWER
        + ". Much that is kept for later use is fragments: let the executors have"
        + " PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True. nvidia-smi tells which other"
        + " processes hold memory of that GPU.";
  }

  private static String outOfHostMemory(String bytes, String operator) {
    return String.format(
        Locale.ROOT,
        "This host gave no %.2f GiB more to libtorch, in %s. Raise spark.executor.memoryOverhead on"
            + " YARN and Kubernetes, or use a machine with more memory. %s.",
        Double.parseDouble(bytes) / (1L << 30),
        operator,
        LOWER);
  }

  private static RunFailure lost(
      String words, String operator, ComputeDevice.Cuda gpu, RuntimeException e) {
    return new RunFailure(
        "CUDA failed on GPU %s (%s), seen in %s, though the cause may be an earlier operator: %s. This process cannot use the GPU any more, so the executor ends and another one goes on from the last checkpoint. If it happens again, look for Xid lines of that GPU in the host's kernel log (dmesg), and set CUDA_LAUNCH_BLOCKING=1 for the executors, by which the operator that is named is the one that failed."
            .formatted(gpu.onHost(), gpu.text(), operator, CudaTrouble.shortened(words)),
        new DeviceLost(e));
  }

  private static Optional<String> found(Pattern pattern, String words, int group) {
    Matcher found = pattern.matcher(words);
    return found.find() ? Optional.of(found.group(group)) : Optional.empty();
  }

  /** Whether a failure means that its process has to end before the GPU can be used again. */
  public static boolean endsProcess(Throwable failure) {
    for (Throwable at = failure; at != null; at = at.getCause()) {
      if (at instanceof DeviceLost) {
        return true;
      }
    }
    return false;
  }

  /**
   * The cause of a failure after which every call to CUDA in this process fails: CUDA keeps an
   * error of a kernel in the process's context for ever ("sticky").
   */
  private static final class DeviceLost extends RuntimeException {
    private static final long serialVersionUID = 1L;

    DeviceLost(Throwable cause) {
      super("the process has lost its GPU", cause);
    }
  }
}
