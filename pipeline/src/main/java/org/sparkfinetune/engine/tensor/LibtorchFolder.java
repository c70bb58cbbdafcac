package org.sparkfinetune.engine.tensor;

import ai.djl.util.Utils;
import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.sparkfinetune.errors.UserError;

/**
 * The libtorch that the environment names in place of the one in our jar, which is for CPUs: {@code
 * PYTORCH_LIBRARY_PATH}, a folder with libtorch's libraries. One for CUDA serves hosts with and
 * without GPUs if {@code PYTORCH_FLAVOR} is {@code cpu}: DJL's bridge for CPUs is enough, because
 * CUDA is reached from scripts alone, and its bridge for CUDA cannot be loaded where there is no
 * driver.
 *
 * <p>DJL takes a folder that is not there for none, and a libtorch of another version until the
 * first call that changed crashes the JVM; here both are refused.
 */
final class LibtorchFolder {
  /** What users do to have CUDA; without a stop. */
  static final String FOR_CUDA =
      "Set PYTORCH_LIBRARY_PATH of the executors to torch/lib of PyPI's torch==2.7.1, or to lib of"
          + " an unpacked libtorch, with PYTORCH_VERSION=2.7.1 and PYTORCH_FLAVOR=cpu (see"
          + " conf/spark/train-gpu.conf)";

  /** Of libtorch; DJL's bridge in our jar is made for it and no other. */
  static final String VERSION = "2.7.1";

  private static final String PATH_KEY = "PYTORCH_LIBRARY_PATH";
  private static final String VERSION_KEY = "PYTORCH_VERSION";
  private static final String FLAVOR_KEY = "PYTORCH_FLAVOR";
  private static final String LIBRARY = "libtorch_cpu.so";

  /** Of version.py in a wheel, or of build-version in an unpacked libtorch: 2.7.1+cu126. */
  private static final Pattern BUILD =
      Pattern.compile("(?m)^(?:__version__ = ')?(\\d+\\.\\d+\\.\\d+)[^'\\s]*");

  private final Function<String, @Nullable String> environment;

  private LibtorchFolder(Function<String, @Nullable String> environment) {
    this.environment = environment;
  }

  /** As DJL reads it: the environment, or system properties of the same names. */
  static LibtorchFolder here() {
    return new LibtorchFolder(Utils::getEnvOrSystemProperty);
  }

  static LibtorchFolder of(Function<String, @Nullable String> environment) {
    return new LibtorchFolder(environment);
  }

  /** Whether the environment names a libtorch of the user's own. */
  boolean isNamed() {
    return !value(PATH_KEY).isEmpty();
  }

  /**
   * Looks at what the environment names, if it does.
   *
   * @throws UserError if that is no libtorch of this version
   */
  void check() {
    if (!isNamed()) {
      return;
    }
    Path folder =
        folders()
            .filter(path -> Files.exists(path.resolve(LIBRARY)))
            .findFirst()
            .orElseThrow(
                () ->
                    new UserError(
                        "%s is %s, but there is no %s in it on this host. %s; or unset it for the libtorch in our jar."
                            .formatted(PATH_KEY, value(PATH_KEY), LIBRARY, FOR_CUDA)));
    if (value(FLAVOR_KEY).isEmpty()) {
      throw new UserError(
          "%s is set without %s. Set %s=cpu, for a libtorch with CUDA too."
              .formatted(PATH_KEY, FLAVOR_KEY, FLAVOR_KEY));
    }
    checkVersion(VERSION_KEY, value(VERSION_KEY));
    version(folder).ifPresent(found -> checkVersion("The libtorch in " + folder, found));
  }

  /** What to do about a library that cannot be loaded, by what the system said of it. */
  static String adviceOn(String words) {
    if (words.contains("libcuda.so")) {
      return "That is NVIDIA's driver, which DJL's bridge for CUDA needs. Set "
          + FLAVOR_KEY
          + "=cpu, with which libtorch loads on hosts with and without a driver; or install the"
          + " driver.";
    }
    if (words.contains("GLIBC") || words.contains("ld-linux") || words.contains("musl")) {
      return "libtorch needs Linux on x86-64 with glibc 2.28 or later: a newer system, and not"
          + " Alpine.";
    }
    if (words.contains("cannot open shared object file")) {
      return "That library is missing on this host. PyTorch's wheel needs the nvidia-* packages that"
          + " pip installs with it, in the folders beside torch.";
    }
    return "It needs Linux on x86-64 with glibc, and about 1 GB in a folder from which programs may"
        + " be run, named by DJL_CACHE_DIR (default: .djl.ai in the home folder).";
  }

  private static void checkVersion(String what, String found) {
    if (!found.isEmpty() && !found.equals(VERSION)) {
      throw new UserError(
          "%s is %s, but DJL's bridge to libtorch is made for %s; with another version the JVM crashes. Install torch==%s, and set %s=%s."
              .formatted(what, found, VERSION, VERSION, VERSION_KEY, VERSION));
    }
  }

  /** As what lies beside the folder says; nothing else tells it without loading the libraries. */
  private static Optional<String> version(Path folder) {
    @Nullable Path parent = folder.toAbsolutePath().normalize().getParent();
    if (parent == null) {
      return Optional.empty();
    }
    for (String name : List.of("version.py", "build-version")) {
      Path file = parent.resolve(name);
      if (Files.exists(file)) {
        Matcher build = BUILD.matcher(text(file));
        if (build.find()) {
          return Optional.of(build.group(1));
        }
      }
    }
    return Optional.empty();
  }

  private static String text(Path file) {
    try {
      return Files.readString(file);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private Stream<Path> folders() {
    return Stream.of(value(PATH_KEY).split(File.pathSeparator)).map(Path::of);
  }

  private String value(String key) {
    return Optional.ofNullable(environment.apply(key)).orElse("").strip();
  }
}
