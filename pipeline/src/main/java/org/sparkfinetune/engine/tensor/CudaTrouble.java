package org.sparkfinetune.engine.tensor;

import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * Why a GPU cannot be computed on, told apart by what libtorch 2.7.1 and CUDA's runtime say when a
 * tensor is to be made there.
 *
 * @param words libtorch's own, one line without a stop
 */
public record CudaTrouble(Kind kind, String words) {
  private static final String ERROR = "RuntimeError: ";
  private static final int LONG = 400;
  private static final Pattern UNEXPECTED =
      Pattern.compile("^Unexpected error from cudaGetDeviceCount.*\\bError (\\d+: )");

  /** What is missing, and what a user does about it. */
  public enum Kind {
    /** The libtorch in our jar, for one. */
    NO_CUDA_IN_LIBTORCH(
        "not linked with support for cuda|from the 'CUDA' backend",
        "its libtorch has no CUDA",
        LibtorchFolder.FOR_CUDA),
    NO_DRIVER(
        "Found no NVIDIA driver",
        "its libtorch has CUDA, but there is no NVIDIA driver (libcuda.so.1)",
        "Install the driver on that host, so that nvidia-smi answers; in a container NVIDIA's"
            + " runtime has to bring it (NVIDIA_DRIVER_CAPABILITIES=compute,utility)"),
    OLD_DRIVER(
        "NVIDIA driver on your system is too old|driver version is insufficient",
        "its NVIDIA driver is older than the CUDA of its libtorch",
        "Update the driver of that host, or take a libtorch that is built for an older CUDA"),
    NO_GPU(
        "No CUDA GPUs are available|no CUDA-capable device",
        "the NVIDIA driver shows its process no GPU",
        "See that nvidia-smi lists GPUs on that host, and that CUDA_VISIBLE_DEVICES of the executor"
            + " does not hide them"),
    NO_SUCH_GPU(
        "invalid device ordinal|Invalid device (?:index|argument)|device index must be",
        "the NVIDIA driver shows its process no GPU of that index",
        "Let the discovery script name the GPUs that the executors see, as"
            + " conf/spark/discover-gpus.sh does"),
    NO_CODE_FOR_GPU(
        "no kernel image is available|kernel image is invalid|unsupported toolchain",
        "its libtorch has no code for that GPU",
        "PyPI's torch==2.7.1 has code for compute capabilities 5.0 to 9.0; for newer GPUs install"
            + " torch==2.7.1 from https://download.pytorch.org/whl/cu128"),
    IN_USE(
        "busy or unavailable|exclusive",
        "another process has the GPU for itself",
        "End that process, or set the GPU's compute mode to DEFAULT (nvidia-smi -c 0)"),
    OTHER("", "CUDA does not start", "Try nvidia-smi on that host");

    private final Pattern said;
    private final String what;
    private final String advice;

    Kind(String said, String what, String advice) {
      this.said = Pattern.compile(said);
      this.what = what;
      this.advice = advice;
    }

    /** Whether nothing is there that could compute, as opposed to a GPU that will not. */
    public boolean isAbsence() {
      return switch (this) {
        case NO_CUDA_IN_LIBTORCH, NO_DRIVER, NO_GPU -> true;
        case OLD_DRIVER, NO_SUCH_GPU, NO_CODE_FOR_GPU, IN_USE, OTHER -> false;
      };
    }
  }

  /** What libtorch said, in the exception's message, when it was to make a tensor on a GPU. */
  static CudaTrouble said(String message) {
    String words = wordsIn(message);
    Kind kind =
        Stream.of(Kind.values())
            .filter(one -> one.said.matcher(words).find())
            .findFirst()
            .orElse(Kind.OTHER);
    String line = UNEXPECTED.matcher(shortened(words)).replaceFirst("error $1");
    return new CudaTrouble(kind, line.replaceFirst("\\.$", ""));
  }

  /** What is wrong; follows "the rank has a GPU, but". No stop at its end. */
  public String what() {
    return kind == Kind.OTHER ? kind.what + ": " + words : kind.what;
  }

  /** What to do; no stop at its end. */
  public String advice() {
    return kind.advice;
  }

  /** libtorch's words for an error: what follows the script's traceback, where there is one. */
  static String wordsIn(String message) {
    int at = message.lastIndexOf(ERROR);
    return (at < 0 ? message : message.substring(at + ERROR.length())).strip();
  }

  /** The first line, and not more of it than is read. */
  static String shortened(String words) {
    String line = words.lines().findFirst().orElse("");
    return line.length() <= LONG ? line : line.substring(0, LONG) + " …";
  }
}
