package org.sparkfinetune.engine.metrics;

import java.util.Locale;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.hadoop.fs.Path;
import org.sparkfinetune.engine.metrics.TensorBoardWriter.EventFiles;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.store.Store;

/** Names every path of a run folder ({@code output_dir}). */
public record RunFolder(Path root) {

  private static final String ASIDE = "set-aside-";
  private static final Pattern CHECKPOINT = Pattern.compile("step-(\\d{8,18})");

  /**
   * The run folder at a path.
   *
   * @param outputDir Hadoop URI
   * @throws UserError if it is none
   */
  public static RunFolder of(String outputDir) {
    try {
      return new RunFolder(new Path(outputDir));
    } catch (IllegalArgumentException e) {
      throw new UserError(
          "output_dir is %s; allowed: a path or a Hadoop URI (%s)"
              .formatted(outputDir, e.getMessage()),
          e);
    }
  }

  /** All keys, resolved. */
  public Path config() {
    return in("config.yaml");
  }

  public Path provenance() {
    return in("provenance.json");
  }

  public Path metrics() {
    return in("metrics.jsonl");
  }

  /** Written last: where it is, the run has ended. */
  public Path summary() {
    return in("summary.json");
  }

  /** Starts of the training and their ends. */
  public Path attempts() {
    return in("attempts.jsonl");
  }

  /** A few conversations with what is trained of them. */
  public Path samples() {
    return in("samples.json");
  }

  public Path report() {
    return in("report.html");
  }

  /** TensorBoard's log directory. */
  public Path tensorboard() {
    return in("tensorboard");
  }

  /** Packed rows, a folder for each hash. */
  public Path tokenized() {
    return in("tokenized");
  }

  /** Which of the packed rows are this run's. */
  public Path rowsOfRun() {
    return new Path(tokenized(), "run.json");
  }

  /** Which questions evaluations ask. */
  public Path questions() {
    return new Path(tokenized(), "questions.bin");
  }

  /**
   * What the model that training begins with says of pairs of answers.
   *
   * @param run hash of all that shapes the run
   */
  public Path referenceLogProbs(String run) {
    return new Path(
        tokenized(), "reference_log_probs-%s.safetensors".formatted(run.substring(0, 16)));
  }

  public Path checkpoints() {
    return in("checkpoints");
  }

  /** Names the checkpoint of another run folder that this run went on from. */
  public Path origin() {
    return new Path(checkpoints(), "went-on-from.txt");
  }

  /**
   * A run folder in this one, for what a run leaves that goes back to an earlier checkpoint: {@code
   * set-aside-1} or, if that is taken, the next.
   */
  public RunFolder nextAside(Store files) {
    int number = 1;
    while (files.exists(in(ASIDE + number))) {
      number++;
    }
    return new RunFolder(in(ASIDE + number));
  }

  /** The checkpoint after optimizer step {@code step}. */
  public Path checkpoint(long step) {
    return new Path(checkpoints(), String.format(Locale.ROOT, "step-%08d", step));
  }

  /** The run folder that a checkpoint lies in. */
  public static Optional<RunFolder> ofCheckpoint(Path checkpoint) {
    return Optional.ofNullable(checkpoint.getParent())
        .flatMap(checkpoints -> Optional.ofNullable(checkpoints.getParent()))
        .map(RunFolder::new);
  }

  /** The step of a checkpoint's folder; empty for everything else, unfinished ones included. */
  public static OptionalLong stepOf(Path checkpoint) {
    Matcher matcher = CHECKPOINT.matcher(checkpoint.getName());
    return matcher.matches()
        ? OptionalLong.of(Long.parseLong(matcher.group(1)))
        : OptionalLong.empty();
  }

  /** The trained adapter, in PEFT's format. */
  public Path adapter() {
    return in("adapter");
  }

  /** The trained model, where all weights were trained. */
  public Path model() {
    return in("model");
  }

  /** Held by the driver at work here. */
  public Path lock() {
    return in(".lock");
  }

  /** Its presence asks the ranks to save and end. */
  public Path stopRequest() {
    return in(".stop");
  }

  private Path in(String name) {
    return new Path(root, name);
  }

  /**
   * What a run records step by step, {@code metrics.jsonl} and TensorBoard's events, as a whole.
   */
  public static final class RunRecord {
    private final RunFolder folder;
    private final Store files;

    public RunRecord(RunFolder folder, Store files) {
      this.folder = folder;
      this.files = files;
    }

    public boolean isThere() {
      return files.exists(folder.metrics());
    }

    /** Copies it in place of what {@code other} has recorded. */
    public void copyTo(RunFolder other) {
      files.read(folder.metrics()).ifPresent(lines -> files.replace(other.metrics(), lines));
      new EventFiles(files, other.tensorboard()).deleteAll();
      for (Path events : files.list(folder.tensorboard())) {
        files
            .read(events)
            .ifPresent(
                bytes -> files.replace(new Path(other.tensorboard(), events.getName()), bytes));
      }
    }
  }
}
