package org.sparkfinetune.engine.tensor;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.sparkfinetune.errors.UserError;

/**
 * The GPUs that {@code CUDA_VISIBLE_DEVICES} leaves to a process, in the order in which libtorch
 * counts them. nvidia-smi pays no heed to it, and Spark's discovery names GPUs as nvidia-smi does;
 * so GPU 3 of the host is {@code cuda:1} where it says {@code 2,3}.
 */
public final class VisibleGpus {
  public static final String KEY = "CUDA_VISIBLE_DEVICES";

  private static final Pattern INDEX = Pattern.compile("\\d{1,4}");
  private static final Pattern UUID = Pattern.compile("GPU-[0-9a-fA-F-]+");

  private final Optional<String> value;
  private final NvidiaSmi smi;

  private VisibleGpus(Optional<String> value, NvidiaSmi smi) {
    this.value = value;
    this.smi = smi;
  }

  /** Of this process. */
  public static VisibleGpus here() {
    return of(Optional.ofNullable(System.getenv(KEY)), new NvidiaSmi());
  }

  /**
   * @param value of the variable, if it is set; an empty one hides all GPUs
   * @param smi asked only where the variable names GPUs by their UUIDs
   */
  public static VisibleGpus of(Optional<String> value, NvidiaSmi smi) {
    return new VisibleGpus(value, smi);
  }

  /**
   * The device that is a GPU of the host.
   *
   * @param onHost its index of nvidia-smi
   * @throws UserError if the variable hides it, or names no GPUs but parts of them
   * @throws org.sparkfinetune.errors.RunFailure if UUIDs are to be compared and nvidia-smi does not
   *     answer
   */
  public ComputeDevice.Cuda device(int onHost) {
    if (value.isEmpty()) {
      return new ComputeDevice.Cuda(onHost);
    }
    return new ComputeDevice.Cuda(
        at(onHost)
            .orElseThrow(
                () ->
                    new UserError(
                        "%s is \"%s\", which hides GPU %s of this host. Unset it for the executors, or let the discovery script name only the GPUs that it leaves, as conf/spark/discover-gpus.sh does."
                            .formatted(KEY, value.get(), onHost))),
        onHost);
  }

  private OptionalInt at(int onHost) {
    List<String> entries = entries();
    for (int at = 0; at < entries.size(); at++) {
      String entry = entries.get(at);
      if (UUID.matcher(entry).matches()
          ? smi.uuid(onHost).startsWith(entry)
          : Integer.parseInt(entry) == onHost) {
        return OptionalInt.of(at);
      }
    }
    return OptionalInt.empty();
  }

  /** CUDA takes the entries up to the first that is no GPU, "-1" for example. */
  private List<String> entries() {
    List<String> entries = new ArrayList<>();
    for (String entry : Stream.of(value.orElse("").split(",")).map(String::strip).toList()) {
      if (entry.startsWith("MIG")) {
        throw new UserError(
            "%s is \"%s\". A part of a GPU (MIG) is not supported; name whole GPUs, by index or by UUID."
                .formatted(KEY, value.orElse("")));
      }
      if (!INDEX.matcher(entry).matches() && !UUID.matcher(entry).matches()) {
        return entries;
      }
      entries.add(entry);
    }
    return entries;
  }
}
