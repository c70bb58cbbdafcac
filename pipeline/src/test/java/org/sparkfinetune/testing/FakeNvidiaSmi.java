package org.sparkfinetune.testing;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import org.sparkfinetune.engine.tensor.NvidiaSmi;

/** A program in nvidia-smi's place that gives one answer, whatever it is asked. */
public final class FakeNvidiaSmi {
  private FakeNvidiaSmi() {}

  public static NvidiaSmi in(Path folder, String answer) {
    try {
      Path program = folder.resolve("nvidia-smi");
      Files.writeString(
          program,
          "#!/bin/sh\necho \"$@\" > '%s'\ncat <<'END'\n%s\nEND\n"
              .formatted(folder.resolve("arguments"), answer));
      Files.setPosixFilePermissions(program, PosixFilePermissions.fromString("rwx------"));
      return new NvidiaSmi(program.toString());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** What it was asked last. */
  public static String arguments(Path folder) {
    try {
      return Files.readString(folder.resolve("arguments")).strip();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
