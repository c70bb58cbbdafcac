package org.sparkfinetune.spark.prepare;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.io.OutputStream;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.spark.util.SerializableConfiguration;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.config.PrepareConfig;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.spark.dataset.DatasetManifest;
import org.sparkfinetune.store.Pace;
import org.sparkfinetune.store.Watch;

/**
 * The output while it is being made. On file systems a folder beside it that is renamed at the end;
 * on object stores the place itself, complete once its {@link DatasetManifest} is there. Closed
 * without {@link #commit}, it leaves nothing behind; what a killed one leaves, the next one cleans.
 */
final class OutputFolder implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(OutputFolder.class);

  private final FileSystem fileSystem;
  private final Path output;
  private final PartFiles.StoreKind kind;
  private final StaleOutputs.Staging staging;
  private final Path folder;
  private final StaleOutputs.LivenessFile liveness;
  private final PartFiles parts;
  private boolean committed;

  private OutputFolder(FileSystem fileSystem, Path output, PartFiles.StoreKind kind)
      throws IOException {
    this.fileSystem = fileSystem;
    this.output = output;
    this.kind = kind;
    this.staging = new StaleOutputs.Staging(output, UUID.randomUUID().toString());
    this.folder =
        switch (kind) {
          case OBJECTS -> output;
          case FILES -> staging.folder();
        };
    this.liveness =
        StaleOutputs.LivenessFile.begin(
            fileSystem,
            switch (kind) {
              case OBJECTS -> new Path(output, DatasetManifest.AT_WORK);
              case FILES -> staging.liveness();
            },
            Pace.USUAL.beat());
    this.parts =
        new PartFiles(new SerializableConfiguration(fileSystem.getConf()), folder.toString(), kind);
  }

  /**
   * @throws UserError if there is something already and it may not be replaced, or nothing can be
   *     written there
   */
  static OutputFolder open(
      PrepareConfig config, List<InputFile> input, Configuration configuration) {
    try {
      Path given = new Path(config.output());
      FileSystem fileSystem = PartFiles.plain(given.getFileSystem(configuration));
      Path output = fileSystem.makeQualified(given);
      if (output.getParent() == null) {
        throw new UserError(
            "output: %s is the root of a store. Name a folder in it.".formatted(output));
      }
      PartFiles.StoreKind kind = PartFiles.StoreKind.ofScheme(output.toUri().getScheme());
      checkInputIsElsewhere(output, input);
      if (kind == PartFiles.StoreKind.FILES) {
        new StaleOutputs(fileSystem, output, Pace.USUAL).clean();
      }
      checkMayWrite(fileSystem, output, config);
      OutputFolder folder = new OutputFolder(fileSystem, output, kind);
      try {
        folder.begin();
        return folder;
      } catch (IOException e) {
        folder.close();
        throw e;
      }
    } catch (IOException | IllegalArgumentException e) {
      throw new UserError(
          "output: cannot write to %s: %s".formatted(config.output(), Prepare.oneLine(e)), e);
    }
  }

  private static void checkInputIsElsewhere(Path output, List<InputFile> input) {
    String prefix = output.toUri().getPath() + "/";
    for (InputFile file : input) {
      Path path = new Path(file.uri());
      boolean sameStore =
          String.valueOf(path.toUri().getScheme()).equals(output.toUri().getScheme());
      if (sameStore && path.toUri().getPath().startsWith(prefix)) {
        throw new UserError(
            "output: %s holds the input %s, which it would replace. Name another folder."
                .formatted(output, file.uri()));
      }
    }
  }

  private static void checkMayWrite(FileSystem fileSystem, Path output, PrepareConfig config)
      throws IOException {
    if (!fileSystem.exists(output)) {
      return;
    }
    FileStatus[] inside = fileSystem.listStatus(output);
    if (fileSystem.getFileStatus(output).isDirectory() && inside.length == 0) {
      return;
    }
    if (isUnfinished(fileSystem, output)) {
      checkNobodyIsAtWork(fileSystem, output);
      return;
    }
    if (!config.overwrite()) {
      throw new UserError(
          "output: %s is there already. Name another folder, or set overwrite: true to replace it."
              .formatted(output));
    }
    boolean ours =
        fileSystem.exists(new Path(output, DatasetManifest.NAME))
            || fileSystem.exists(new Path(output, ReportPage.JSON));
    if (!ours) {
      throw new UserError(
          "output: %s was not written by prepare, so overwrite: true does not replace it. Name another folder, or delete it yourself."
              .formatted(output));
    }
  }

  private static boolean isUnfinished(FileSystem fileSystem, Path output) throws IOException {
    return fileSystem.exists(new Path(output, DatasetManifest.AT_WORK))
        && !fileSystem.exists(new Path(output, DatasetManifest.NAME));
  }

  /** What a killed prepare left in the place itself is nobody's: it is replaced unasked. */
  private static void checkNobodyIsAtWork(FileSystem fileSystem, Path output) throws IOException {
    Path sign = new Path(output, DatasetManifest.AT_WORK);
    Watch watch = new Watch(fileSystem, Pace.USUAL);
    Optional<String> death = watch.deaths(List.of(sign)).values().iterator().next();
    if (death.isEmpty()) {
      throw new UserError(
          "output: another prepare is at work in %s (%s). Wait for it, stop it, or name another folder. If it dies, its place can be taken a minute later."
              .formatted(output, watch.owner(sign)));
    }
    LOG.warn("prepare: replacing what a prepare left in {} that died ({})", output, death.get());
  }

  private void begin() throws IOException {
    switch (kind) {
      case OBJECTS -> {
        fileSystem.delete(new Path(output, DatasetManifest.NAME), false);
        deleteAllButLiveness();
      }
      case FILES -> {
        fileSystem.mkdirs(folder);
        fileSystem.deleteOnExit(folder);
      }
    }
    for (Selection.Split split : Selection.Split.values()) {
      fileSystem.mkdirs(new Path(folder, split.folder()));
    }
  }

  private void deleteAllButLiveness() throws IOException {
    for (FileStatus status : fileSystem.listStatus(output)) {
      if (!status.getPath().getName().equals(DatasetManifest.AT_WORK)) {
        fileSystem.delete(status.getPath(), true);
      }
    }
  }

  /** Where tasks write. */
  PartFiles parts() {
    return parts;
  }

  Path output() {
    return output;
  }

  void write(String name, String text) {
    try (OutputStream out = fileSystem.create(new Path(folder, name), true)) {
      out.write(text.getBytes(UTF_8));
    } catch (IOException e) {
      throw failed("writing " + name, e);
    }
  }

  void writeEmptyParquet(String name) {
    try (var out = fileSystem.create(new Path(folder, name), true)) {
      new SplitWriter.ParquetRows(out).close();
    } catch (IOException e) {
      throw failed("writing " + name, e);
    }
  }

  void deleteFolder(String name) {
    try {
      fileSystem.delete(new Path(folder, name), true);
    } catch (IOException e) {
      throw failed("deleting " + name, e);
    }
  }

  /** Makes everything visible in one step. */
  void commit() {
    try {
      if (kind == PartFiles.StoreKind.FILES) {
        parts.sweep();
      }
      DatasetManifest.ofFilesIn(fileSystem, folder).write(fileSystem, folder);
      if (kind == PartFiles.StoreKind.FILES) {
        replaceOutput();
        fileSystem.cancelDeleteOnExit(folder);
      }
      committed = true;
    } catch (IOException e) {
      throw failed("making " + output + " visible", e);
    }
  }

  private void replaceOutput() throws IOException {
    Path old = staging.replaced();
    boolean replaces = fileSystem.exists(output);
    if (replaces && !fileSystem.rename(output, old)) {
      throw new IOException("cannot rename the old output to " + old);
    }
    if (!fileSystem.rename(folder, output)) {
      if (replaces) {
        fileSystem.rename(old, output);
      }
      throw new IOException("cannot rename " + folder);
    }
    if (replaces && !fileSystem.delete(old, true)) {
      LOG.warn("The old output could not be deleted and is now {}", old);
    }
  }

  private static RunFailure failed(String what, IOException e) {
    return new RunFailure("%s failed: %s".formatted(what, Prepare.oneLine(e)), e);
  }

  @Override
  public void close() {
    try {
      try {
        if (!committed) {
          discard();
        }
      } finally {
        liveness.close();
      }
      if (!committed && kind == PartFiles.StoreKind.OBJECTS) {
        fileSystem.delete(output, false);
      }
    } catch (IOException e) {
      LOG.warn(
          "prepare: what belongs to {} could not be deleted; the next run does that: {}",
          folder,
          Prepare.oneLine(e));
    }
  }

  private void discard() throws IOException {
    switch (kind) {
      case OBJECTS -> deleteAllButLiveness();
      case FILES -> {
        fileSystem.delete(folder, true);
        fileSystem.cancelDeleteOnExit(folder);
      }
    }
  }
}
