package org.sparkfinetune.spark.evaluate;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.config.EvaluateConfig;
import org.sparkfinetune.config.EvaluateConfig.Metric;
import org.sparkfinetune.config.ModelChoice;
import org.sparkfinetune.config.ModelChoice.MergeBase;
import org.sparkfinetune.data.conversation.Conversation;
import org.sparkfinetune.data.tokenize.LossExtent;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.inference.generate.GenerationSettings;
import org.sparkfinetune.spark.generate.AnsweringModel;
import org.sparkfinetune.spark.model.ModelFolders;
import org.sparkfinetune.spark.model.RunOfAdapter;
import org.sparkfinetune.store.Store;

/**
 * The models of one evaluation by their names in its report: the candidates (each adapter, or else
 * the base model) and what they are compared with. The last candidate decides what all share.
 */
final class EvaluatedModels {
  private static final Logger LOG = LoggerFactory.getLogger(EvaluatedModels.class);

  /** Of an answer, unless the user says more. */
  private final EvaluateConfig config;

  private final Store store;
  private final Map<String, ModelChoice> candidates;
  private final Map<String, AnsweringModel> answering;

  private EvaluatedModels(
      EvaluateConfig config,
      Store store,
      Map<String, ModelChoice> candidates,
      Map<String, AnsweringModel> answering) {
    this.config = config;
    this.store = store;
    this.candidates = candidates;
    this.answering = answering;
  }

  /**
   * Reads what is small of every candidate.
   *
   * @throws UserError if model and adapters are not there or do not fit together
   */
  static EvaluatedModels of(EvaluateConfig config, Store store) {
    List<String> adapters = config.adapter().orElse(List.of());
    List<String> names =
        switch (adapters.size()) {
          case 0 -> List.of("base");
          case 1 -> List.of("adapter");
          default -> AdapterNames.of(adapters);
        };
    Map<String, ModelChoice> candidates = new LinkedHashMap<>();
    Map<String, AnsweringModel> answering = new LinkedHashMap<>();
    for (int i = 0; i < names.size(); i++) {
      ModelChoice candidate = resolved(config.candidates().get(i), store);
      candidates.put(names.get(i), candidate);
      answering.put(names.get(i), AnsweringModel.of(candidate, config.sampling(), store));
    }
    return new EvaluatedModels(config, store, candidates, answering);
  }

  /** Base and template are those of the adapter's run for the base model alone too. */
  private static ModelChoice resolved(ModelChoice named, Store store) {
    ModelChoice model = new ModelFolders(store).located(named);
    return model.with(
        Optional.of(RunOfAdapter.base(model.base(), model.adapter(), store)),
        RunOfAdapter.template(model, store));
  }

  /** The name of the last candidate. */
  String lastName() {
    return List.copyOf(candidates.keySet()).get(candidates.size() - 1);
  }

  /** The last candidate. */
  ModelChoice last() {
    return Objects.requireNonNull(candidates.get(lastName()));
  }

  /**
   * In the order in which they are measured: the base model, the promoted one, the candidates.
   *
   * @param promoted the best adapter so far
   */
  Map<String, AnsweringModel> all(Optional<ModelChoice> promoted) {
    Map<String, AnsweringModel> models = new LinkedHashMap<>();
    if (config.adapter().isPresent() && config.compareBase()) {
      models.put("base", AnsweringModel.of(last().withoutAdapter(), config.sampling(), store));
      candidates.forEach(this::warnOfOtherBase);
    }
    promoted.ifPresent(
        there -> models.put("promoted", AnsweringModel.of(there, config.sampling(), store)));
    models.putAll(answering);
    return models;
  }

  private void warnOfOtherBase(String name, ModelChoice candidate) {
    if (!candidate.base().equals(last().base())) {
      LOG.warn(
          "The base model is measured as {}, on which {} was trained; {} was trained on {}. With --base all are measured on the same weights.",
          text(last().base()),
          lastName(),
          name,
          text(candidate.base()));
    }
  }

  private static String text(Optional<MergeBase> base) {
    return base.map(MergeBase::text).orElse("");
  }

  /** What losses of all models are over, so that they can be compared. */
  LossExtent extent() {
    LossExtent extent = RunOfAdapter.lossExtent(last(), store);
    candidates.forEach(
        (name, candidate) -> {
          LossExtent own = RunOfAdapter.lossExtent(candidate, store);
          if (config.metrics().contains(Metric.LOSS) && !own.equals(extent)) {
            LOG.warn(
                "Losses of all models are over {}, as the run of {} took them; that of {} took them over {}.",
                extent.words(),
                lastName(),
                name,
                own.words());
          }
        });
    return extent;
  }

  /** What was asked for, or else twice what the longest expected answer needs. */
  int maxNewTokens(List<Conversation> samples) {
    int longest =
        answering.values().stream().mapToInt(model -> model.longestAnswer(samples)).max().orElse(0);
    int limit = config.maxNewTokens().orElse(GenerationSettings.room(longest));
    if (longest > limit) {
      LOG.warn(
          "max_new_tokens is {}, and the longest expected answer has {} tokens: such answers are truncated.",
          limit,
          longest);
    }
    return limit;
  }

  /** What the report says of model, adapters and data: key to value. */
  Map<String, Object> about(LossExtent extent) {
    Map<String, Object> about = new LinkedHashMap<>();
    about.put("model_id", last().modelId());
    if (candidates.size() > 1) {
      Map<String, String> adapters = new LinkedHashMap<>();
      candidates.forEach((name, choice) -> adapters.put(name, choice.adapter().orElse("")));
      about.put("adapters", adapters);
    } else {
      last().adapter().ifPresent(adapter -> about.put("adapter", adapter));
    }
    about.put("base", text(last().base()));
    about.put("dataset_path", config.datasetPath());
    if (config.metrics().contains(Metric.LOSS)) {
      about.put("loss_over", extent.words());
    }
    return about;
  }
}
