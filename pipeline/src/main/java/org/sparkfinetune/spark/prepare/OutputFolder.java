package org.sparkfinetune.spark.prepare;

import java.io.IOException;
import java.io.Serializable;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.spark.TaskContext;
import org.apache.spark.util.TaskFailureListener;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.config.PrepareConfig;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.spark.dataset.DatasetManifest;
import org.sparkfinetune.spark.dataset.ExtraColumn;
import org.sparkfinetune.spark.dataset.RowOrigin;
import org.sparkfinetune.store.AtomicFile;
import org.sparkfinetune.store.Store;
import org.sparkfinetune.store.Watch;

/**
 * The output while it is being made. On file systems a folder beside it that is renamed at the end;
 * on object stores the place itself, complete once its {@link DatasetManifest} is there. Closed
 * without {@link #commit}, it leaves nothing behind; what a killed one leaves, the next one cleans.
 */
final class OutputFolder implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(OutputFolder.class);

  private final Store store;
  private final FileSystem fileSystem;
  private final Path output;
  private final boolean inPlace;
  private final StaleOutputs.Staging staging;
  private final Path folder;
  private final StaleOutputs.LivenessFile liveness;
  private boolean committed;

  private OutputFolder(Store store, Path output) throws IOException {
    this.store = store;
    this.fileSystem = store.fileSystem(output);
    this.output = output;
    this.inPlace = !store.renamesFolders(output);
    this.staging = new StaleOutputs.Staging(output, UUID.randomUUID().toString());
    this.folder = inPlace ? output : staging.folder();
    this.liveness =
        StaleOutputs.LivenessFile.begin(
            fileSystem,
            inPlace ? new Path(output, DatasetManifest.AT_WORK) : staging.liveness(),
            Watch.Pace.USUAL.beat());
  }

  /** The folder that is being made, as tasks see it. */
  record Parts(Store store, Path folder) implements Serializable {
    Path path(String name) {
      return new Path(folder, name);
    }

    /** A file of a task, which is discarded if the task fails. */
    AtomicFile create(String name) {
      AtomicFile file = store.createPart(path(name));
      TaskFailureListener discarding = (task, failure) -> discard(file);
      TaskContext.get().addTaskFailureListener(discarding);
      return file;
    }

    /** What the task failed of is the news. */
    private static void discard(AtomicFile file) {
      try {
        file.close();
      } catch (RunFailure e) {
        LOG.debug("a part is left behind", e);
      }
    }
  }

  /**
   * @param input the URIs of the files that are read
   * @throws UserError if there is something already and it may not be replaced, or nothing can be
   *     written there
   */
  static OutputFolder open(PrepareConfig config, List<String> input, Store store) {
    try {
      Path output = store.qualified(new Path(config.output().folder()));
      if (output.getParent() == null) {
        throw new UserError(
            "output: %s is the root of a store. Name a folder in it.".formatted(output));
      }
      checkInputIsElsewhere(output, input);
      if (store.renamesFolders(output)) {
        new StaleOutputs(store, output, Watch.Pace.USUAL).clean();
      }
      checkMayWrite(store.fileSystem(output), output, config);
      OutputFolder folder = new OutputFolder(store, output);
      try {
        folder.begin();
        return folder;
      } catch (IOException e) {
        folder.close();
        throw e;
      }
    } catch (IOException | RunFailure | IllegalArgumentException e) {
      throw new UserError(
          "output: cannot write to %s: %s".formatted(config.output().folder(), Prepare.oneLine(e)),
          e);
    }
  }

  private static void checkInputIsElsewhere(Path output, List<String> input) {
    String prefix = output.toUri().getPath() + "/";
    for (String uri : input) {
      Path path = new Path(uri);
      boolean sameStore =
          String.valueOf(path.toUri().getScheme()).equals(output.toUri().getScheme());
      if (sameStore && path.toUri().getPath().startsWith(prefix)) {
        throw new UserError(
            "output: %s holds the input %s, which it would replace. Name another folder."
                .formatted(output, uri));
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
    Watch watch = new Watch(fileSystem, Watch.Pace.USUAL);
    Optional<String> death = watch.deaths(List.of(sign)).values().iterator().next();
    if (death.isEmpty()) {
      throw new UserError(
          "output: another prepare is at work in %s (%s). Wait for it, stop it, or name another folder. If it dies, its place can be taken a minute later."
              .formatted(output, watch.owner(sign)));
    }
    LOG.warn("prepare: replacing what a prepare left in {} that died ({})", output, death.get());
  }

  private void begin() throws IOException {
    if (inPlace) {
      fileSystem.delete(new Path(output, DatasetManifest.NAME), false);
      deleteAllButLiveness();
    } else {
      fileSystem.mkdirs(folder);
      fileSystem.deleteOnExit(folder);
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
  Parts parts() {
    return new Parts(store, folder);
  }

  Path output() {
    return output;
  }

  void write(String name, String text) {
    store.replace(new Path(folder, name), text);
  }

  void writeEmptyParquet(String name, Set<ExtraColumn> columns) {
    try (AtomicFile out = store.createPart(new Path(folder, name))) {
      new SplitWriter.ParquetRows(out, columns).close();
      out.commit();
    } catch (IOException e) {
      throw failed("writing " + name, e);
    }
  }

  void deleteFolder(String name) {
    store.delete(new Path(folder, name));
  }

  /**
   * Makes everything visible in one step; no task is at work any more.
   *
   * @param sources that were mixed
   */
  void commit(List<String> sources) {
    try {
      // What tasks left whose executors died.
      store.sweep(folder);
      Arrays.stream(Selection.Split.values())
          .forEach(split -> store.sweep(new Path(folder, split.folder())));
      store.sweep(new Path(folder, RowOrigin.FOLDER));
      DatasetManifest.ofFilesIn(store, folder, sources).write(store, folder);
      if (!inPlace) {
        replaceOutput();
        fileSystem.cancelDeleteOnExit(folder);
      }
      committed = true;
    } catch (IOException e) {
      throw failed("making " + output + " visible", e);
    }
  }

  private void replaceOutput() {
    if (!store.exists(output)) {
      store.rename(folder, output);
      return;
    }
    Path old = staging.replaced();
    store.swap(folder, output, old);
    try {
      store.delete(old);
    } catch (RunFailure e) {
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
      if (!committed && inPlace) {
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
    if (inPlace) {
      deleteAllButLiveness();
    } else {
      fileSystem.delete(folder, true);
      fileSystem.cancelDeleteOnExit(folder);
    }
  }
}
