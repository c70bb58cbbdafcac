package org.sparkfinetune.spark.model;

import java.io.IOException;
import java.util.List;
import java.util.Optional;
import org.apache.hadoop.fs.Path;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.config.ConfigLoader;
import org.sparkfinetune.config.ModelChoice;
import org.sparkfinetune.config.ModelChoice.MergeBase;
import org.sparkfinetune.config.TrainConfig;
import org.sparkfinetune.config.TrainConfig.Method;
import org.sparkfinetune.data.tokenize.LossExtent;
import org.sparkfinetune.engine.metrics.RunFolder;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.store.Store;

/**
 * What the run folder around an adapter says about it. PEFT's own files do not tell what the base
 * was stored as while the adapter was trained.
 */
public final class RunOfAdapter {
  private static final Logger LOG = LoggerFactory.getLogger(RunOfAdapter.class);

  private RunOfAdapter() {}

  static Optional<TrainConfig> find(Optional<String> adapter, Store store) {
    if (adapter.isEmpty()) {
      return Optional.empty();
    }
    Path parent = new Path(adapter.get()).getParent();
    if (parent == null) {
      return Optional.empty();
    }
    Path file = new Path(parent, "config.yaml");
    try {
      if (!store.fileSystem(file).exists(file)) {
        return Optional.empty();
      }
      return Optional.of(
          new ConfigLoader(store.hadoop()).train(Optional.of(file.toString()), List.of()).config());
    } catch (IOException | UserError e) {
      LOG.warn("{} says nothing about its training: {}", file, e.getMessage());
      return Optional.empty();
    }
  }

  /**
   * The base that the adapter is applied to: as asked, else as trained. Applied to the other one an
   * adapter corrects an error that is not there, or leaves one that is.
   */
  public static MergeBase base(Optional<MergeBase> asked, Optional<String> adapter, Store store) {
    if (asked.isPresent()) {
      return asked.get();
    }
    Optional<Method> method = find(adapter, store).map(TrainConfig::method);
    MergeBase base =
        method.filter(Method.QLORA::equals).isPresent()
            ? MergeBase.DEQUANTIZED
            : MergeBase.SIXTEEN_BIT;
    if (adapter.isPresent()) {
      LOG.info(
          "base: {} ({})",
          base.text(),
          method
              .map(m -> "the adapter was trained with method " + m.text())
              .orElse("no run folder says how the adapter was trained"));
    }
    return base;
  }

  /** What losses are measured over: what the run took them over, without one every token. */
  public static LossExtent lossExtent(ModelChoice model, Store store) {
    return runOf(model, store).map(run -> LossExtent.of(run.data())).orElse(LossExtent.EVERYTHING);
  }

  public static Optional<String> template(ModelChoice model, Store store) {
    return model
        .chatTemplate()
        .or(() -> runOf(model, store).flatMap(run -> run.data().chatTemplate()));
  }

  /** The run that made the adapter; where there is none, the model. */
  private static Optional<TrainConfig> runOf(ModelChoice model, Store store) {
    return model.adapter().isPresent()
        ? find(model.adapter(), store)
        : find(Optional.of(model.modelId()).filter(RunOfAdapter::isResult), store)
            .filter(run -> run.method() == Method.FULL);
  }

  private static boolean isResult(String model) {
    Path path = new Path(model);
    return path.getParent() != null && path.equals(new RunFolder(path.getParent()).model());
  }

  public static boolean computesInFloat32(ModelChoice model, Store store) {
    return find(model.adapter(), store).filter(run -> !run.compute().bf16()).isPresent();
  }
}
