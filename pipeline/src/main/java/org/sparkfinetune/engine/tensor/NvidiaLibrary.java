package org.sparkfinetune.engine.tensor;

import com.sun.jna.Library;
import com.sun.jna.Native;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.sparkfinetune.errors.RunFailure;

/**
 * A library of NVIDIA's that comes with a libtorch for CUDA.
 *
 * @param what it is, for messages
 * @param stem of its file's name, before the version
 * @param name as dlopen finds it where it is loaded or on the library path
 * @param wheel its folder in {@code site-packages/nvidia}, where PyPI has a package for it
 * @param source who brings it, and what to do; a sentence
 */
record NvidiaLibrary(String what, String stem, String name, String wheel, String source) {

  /**
   * Finds it beside libtorch, in PyPI's package of its own, or on the library path.
   *
   * @param functions of which it has to have those that are called
   * @throws RunFailure if it is nowhere
   */
  <T extends Library> T load(Class<T> functions, Map<String, String> environment) {
    List<String> tried = new ArrayList<>();
    for (String candidate : candidates(environment)) {
      try {
        return Native.load(candidate, functions);
      } catch (UnsatisfiedLinkError e) {
        tried.add(candidate);
      }
    }
    throw new RunFailure(
        "%s was not found; tried %s. %s".formatted(what, String.join(", ", tried), source));
  }

  private List<String> candidates(Map<String, String> environment) {
    List<String> names = new ArrayList<>();
    String libtorch = environment.get("PYTORCH_LIBRARY_PATH");
    if (libtorch != null) {
      Path folder = Path.of(libtorch);
      names.addAll(in(folder));
      names.addAll(in(folder.resolve("../../nvidia").resolve(wheel).resolve("lib").normalize()));
    }
    names.add(name);
    return names;
  }

  /** libtorch's own copy may have a hash in its name. */
  private List<String> in(Path folder) {
    List<String> files = new ArrayList<>();
    try (DirectoryStream<Path> found = Files.newDirectoryStream(folder, stem + "[.-]*so*")) {
      for (Path file : found) {
        if (!file.getFileName().toString().contains("builtins")) {
          files.add(file.toString());
        }
      }
    } catch (IOException e) {
      return List.of();
    }
    return files;
  }
}
