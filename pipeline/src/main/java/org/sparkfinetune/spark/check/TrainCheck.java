package org.sparkfinetune.spark.check;

import java.io.FileNotFoundException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.function.Supplier;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.permission.FsAction;
import org.apache.hadoop.security.AccessControlException;
import org.apache.spark.SparkConf;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.sql.SparkSession;
import org.sparkfinetune.config.ConfigLoader.Loaded;
import org.sparkfinetune.config.TrainConfig;
import org.sparkfinetune.config.TrainConfig.ModelSource;
import org.sparkfinetune.engine.metrics.MaskedSample;
import org.sparkfinetune.engine.metrics.RunFolder;
import org.sparkfinetune.engine.metrics.Summary;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.spark.check.CheckReport.CheckLine;
import org.sparkfinetune.spark.cluster.ClusterSettings;
import org.sparkfinetune.spark.cluster.ExecutorSettings;
import org.sparkfinetune.spark.model.ModelAndTokenizer;
import org.sparkfinetune.spark.model.ModelFolders;
import org.sparkfinetune.spark.train.TrainPreflight;
import org.sparkfinetune.spark.train.TrainPreflight.UnsupportedSettings;
import org.sparkfinetune.store.Store;

/**
 * Everything about a run that can be known before it, by the code that the run would use; writes
 * nothing. What one look finds does not keep the next from looking.
 */
public final class TrainCheck {
  private final Loaded<TrainConfig> loaded;
  private final TrainConfig config;
  private final Store store;
  private final List<CheckLine> lines = new ArrayList<>();
  private final List<MaskedSample> samples = new ArrayList<>();
  private final ModelFolders folders;
  private Optional<ModelSource> source = Optional.empty();
  private String folder = "";

  public TrainCheck(Loaded<TrainConfig> loaded, Store store) {
    this.loaded = loaded;
    this.config = loaded.config();
    this.store = store;
    this.folders = new ModelFolders(store);
  }

  /**
   * Looks at everything.
   *
   * @param conf of the cluster on which training will run
   * @param spark starts {@link ExecutorSettings#forCheck}; called if the configuration alone does
   *     not rule training out
   */
  public CheckReport run(SparkConf conf, Supplier<SparkSession> spark) {
    configuration();
    outputFolder();
    Optional<ModelAndTokenizer> model = model();
    model.ifPresent(found -> attempt("adapter", () -> adapter(found)));
    boolean startable =
        attempt("cluster", () -> ExecutorSettings.check(conf, config.parallelism().numRanks()));
    if (startable) {
      withSpark(spark.get(), ClusterSettings.of(conf), model);
    }
    return new CheckReport(lines, samples);
  }

  private void configuration() {
    loaded
        .notes()
        .forEach(
            note ->
                lines.add(
                    new CheckLine(
                        "configuration", CheckLine.Verdict.WARNED, note, Optional.empty())));
    if (attempt("configuration", () -> UnsupportedSettings.check(config))) {
      lines.add(
          CheckLine.passed(
              "configuration",
              "every key is known and allowed; method: "
                  + config.method().name().toLowerCase(Locale.ROOT)));
    }
  }

  private Optional<ModelAndTokenizer> model() {
    try {
      Optional<ModelFolders.Partial> partial = folders.partial(config.model());
      if (partial.isPresent()) {
        folder = partial.get().folder().toString();
        return Optional.of(withoutWeights(partial.get()));
      }
      source = Optional.of(folders.located(config.model()));
      folder = source.get().folder();
      ModelAndTokenizer found = ModelAndTokenizer.check(source.get(), store);
      lines.add(
          CheckLine.passed(
              "model",
              String.format(
                  Locale.ROOT,
                  "%d layers, %,d weights, all there",
                  found.model().numHiddenLayers(),
                  found.model().parameters())));
      lines.add(CheckLine.passed("tokenizer", "every id has a row of the embedding"));
      return Optional.of(found);
    } catch (UserError | RunFailure e) {
      lines.add(CheckLine.failed("model", e));
      return Optional.empty();
    }
  }

  /** What the run begins with, and who will load what it leaves. */
  private void adapter(ModelAndTokenizer model) {
    TrainConfig here =
        config.with(source.orElseGet(() -> folders.locatedAdapter(config.model(), folder)));
    TrainPreflight.checkLora(here, model.model(), store)
        .ifPresent(lora -> lines.add(new ServingCheck(lora).line()));
  }

  /** Of a hub's model that is still to be downloaded. */
  private ModelAndTokenizer withoutWeights(ModelFolders.Partial partial) {
    String tokenizer =
        config.model().tokenizer().map(folders::tokenizer).orElse(partial.folder().toString());
    ModelAndTokenizer found =
        ModelAndTokenizer.checkWithoutWeights(partial.folder(), tokenizer, store);
    lines.add(
        CheckLine.warned(
            "model",
            String.format(
                Locale.ROOT,
                "%s: %d layers, %,d weights; %.2f GiB of them in %d file(s) have yet to come to %s",
                config.model().modelId(),
                found.model().numHiddenLayers(),
                found.model().parameters(),
                partial.bytes() / (double) (1L << 30),
                partial.weights(),
                partial.folder()),
            "train downloads them first; see that there is room."));
    lines.add(CheckLine.passed("tokenizer", "every id has a row of the embedding"));
    return found;
  }

  private void withSpark(
      SparkSession spark, ClusterSettings asked, Optional<ModelAndTokenizer> model) {
    model.ifPresent(
        found -> {
          attempt(
              "data",
              () -> {
                CheckReport data = new DataCheck(spark, config, store, found, source).run();
                lines.addAll(data.lines());
                samples.addAll(data.samples());
              });
          JavaSparkContext context = JavaSparkContext.fromSparkContext(spark.sparkContext());
          attempt(
              "cluster",
              () ->
                  lines.addAll(
                      new ClusterCheck(context, asked, config, found.model(), folder).run()));
        });
  }

  private void outputFolder() {
    RunFolder folder = RunFolder.of(config.outputDir());
    attempt("beginning", () -> TrainPreflight.checkBeginning(config, store));
    attempt(
        "output",
        () -> {
          boolean finished = Summary.read(folder, store).isPresent();
          if (finished) {
            lines.add(
                CheckLine.warned(
                    "output",
                    folder.root() + " holds a finished run",
                    "train would change nothing; name another output_dir."));
          } else {
            lines.add(writable(folder.root()));
          }
        });
  }

  /** The nearest folder that exists decides. */
  private CheckLine writable(Path folder) {
    try {
      FileSystem files = store.fileSystem(folder);
      Path at = files.makeQualified(folder);
      while (true) {
        try {
          FileStatus status = files.getFileStatus(at);
          if (!status.isDirectory()) {
            return CheckLine.failed("output", at + " is a file", "Name another output_dir.");
          }
          files.access(at, FsAction.WRITE);
          return CheckLine.passed("output", folder + " can be written");
        } catch (FileNotFoundException e) {
          Path parent = at.getParent();
          if (parent == null) {
            throw e;
          }
          at = parent;
        }
      }
    } catch (AccessControlException e) {
      return CheckLine.failed(
          "output",
          "%s cannot be written: %s".formatted(folder, e.getMessage()),
          "Name another output_dir, or get the right to write there.");
    } catch (IOException e) {
      return CheckLine.failed(
          "output",
          "%s cannot be reached: %s".formatted(folder, e.getMessage()),
          "Check output_dir and the store's credentials.");
    }
  }

  private boolean attempt(String subject, Runnable look) {
    try {
      look.run();
      return true;
    } catch (UserError | RunFailure e) {
      lines.add(CheckLine.failed(subject, e));
      return false;
    }
  }
}
