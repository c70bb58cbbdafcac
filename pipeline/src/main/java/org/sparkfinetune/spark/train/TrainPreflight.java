package org.sparkfinetune.spark.train;

import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Optional;
import org.apache.hadoop.fs.Path;
import org.sparkfinetune.config.ConfigLoader.Loaded;
import org.sparkfinetune.config.TrainConfig;
import org.sparkfinetune.config.TrainConfig.Method;
import org.sparkfinetune.config.TrainConfig.ModelSource;
import org.sparkfinetune.config.TrainConfig.ResumeFrom;
import org.sparkfinetune.engine.checkpoint.CheckpointStore;
import org.sparkfinetune.engine.metrics.RunFolder;
import org.sparkfinetune.engine.metrics.Summary;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.inference.evaluate.AnswerMetric;
import org.sparkfinetune.model.family.DecoderConfig;
import org.sparkfinetune.model.peft.AdapterConfig;
import org.sparkfinetune.model.peft.AdapterFiles;
import org.sparkfinetune.model.peft.ExpertSettings;
import org.sparkfinetune.report.mlflow.MlflowSettings;
import org.sparkfinetune.spark.dataset.DatasetSplit;
import org.sparkfinetune.spark.model.ModelAndTokenizer;
import org.sparkfinetune.spark.model.ModelFolders;
import org.sparkfinetune.store.Store;

/**
 * What is found out about a run before Spark is started, so that a mistake is told in a second and
 * nothing stands around the message.
 */
public final class TrainPreflight {
  private final Loaded<TrainConfig> loaded;
  private final ModelSource source;
  private final ModelAndTokenizer model;

  private TrainPreflight(Loaded<TrainConfig> loaded, ModelSource source, ModelAndTokenizer model) {
    this.loaded = loaded;
    this.source = source;
    this.model = model;
  }

  /**
   * Looks at data, model, tokenizer and what the run begins with; reads headers only, writes
   * nothing but what it downloads from a hub.
   *
   * @throws UserError if something has to be changed first
   */
  public static TrainPreflight check(Loaded<TrainConfig> loaded, Store store) {
    TrainConfig config = loaded.config();
    UnsupportedSettings.check(config);
    Optional<MlflowSettings> unusedSettings = ExperimentTracking.settings(config);
    // Before a download that may take an hour.
    Optional<String> unusedReason = missingData(config, store);
    ModelSource source = new ModelFolders(store).located(config.model());
    ModelAndTokenizer model = ModelAndTokenizer.check(source, store);
    checkBeginning(config, store);
    checkLora(config.with(source), model.model(), store)
        .ifPresent(lora -> ExpertSettings.say(lora, model.model()));
    return new TrainPreflight(loaded, source, model);
  }

  /**
   * Whether there is nothing left to do in the run folder.
   *
   * @throws UserError if it holds the finished run of another configuration
   */
  public static boolean isFinished(Loaded<TrainConfig> loaded, Store store) {
    RunFolder folder = RunFolder.of(loaded.config().outputDir());
    if (Summary.read(folder, store).isEmpty()) {
      return false;
    }
    Optional<String> before =
        store.read(folder.config()).map(bytes -> new String(bytes, StandardCharsets.UTF_8));
    if (!before.equals(Optional.of(loaded.yaml()))) {
      throw new UserError(
          String.format(
              "output_dir is %s, which holds the finished run of another configuration (see its"
                  + " config.yaml). Choose another output_dir, or delete that folder.",
              folder.root()));
    }
    return true;
  }

  /**
   * Why the data set cannot be read, for a run that was cut off and has its own rows.
   *
   * @throws UserError if it cannot be read and is needed
   */
  public static Optional<String> missingData(TrainConfig config, Store store) {
    try {
      DatasetSplit.train(new Path(config.data().datasetPath()), store);
      return Optional.empty();
    } catch (UserError e) {
      if (!RunRows.areKept(config, store)) {
        throw e;
      }
      return Optional.of(String.valueOf(e.getMessage()));
    }
  }

  /** What the run is to begin with can be opened. */
  public static void checkBeginning(TrainConfig config, Store store) {
    if (config.checkpointing().resumeFrom() instanceof ResumeFrom.Path path) {
      new CheckpointStore(RunFolder.of(config.outputDir()), store).manifest(new Path(path.uri()));
    }
  }

  /**
   * What LoRA would be, once it is known to fit the model; empty where all weights are trained.
   *
   * @param config with its adapter located
   */
  public static Optional<AdapterConfig> checkLora(
      TrainConfig config, DecoderConfig model, Store store) {
    ExpertSettings.check(config, model);
    if (config.method() == Method.FULL) {
      return Optional.empty();
    }
    AdapterConfig lora = AdapterConfig.of(config, store);
    AdapterConfig.targets(config, lora, model);
    config
        .model()
        .adapter()
        .ifPresent(
            adapter -> AdapterFiles.openForTraining(new Path(adapter), model, store).close());
    return Optional.of(lora);
  }

  Loaded<TrainConfig> loaded() {
    return loaded;
  }

  /** Where everything of the model is. */
  ModelSource source() {
    return source;
  }

  ModelAndTokenizer model() {
    return model;
  }

  /** Settings that are understood and not carried out yet, or name what is not there. */
  public static final class UnsupportedSettings {
    private UnsupportedSettings() {}

    public static void check(TrainConfig config) {
      List<AnswerMetric> unused = RunAnswers.metrics(config);
      for (String module : config.lora().modulesToSave()) {
        refuse(
            !List.of("embed_tokens", "lm_head").contains(module),
            "modules_to_save: " + module,
            "embed_tokens and lm_head can be trained whole");
      }
    }

    private static void refuse(boolean asked, String what, String instead) {
      if (asked) {
        throw new UserError(what + " is not implemented yet; " + instead + ".");
      }
    }
  }
}
