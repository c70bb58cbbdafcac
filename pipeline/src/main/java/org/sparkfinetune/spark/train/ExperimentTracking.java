package org.sparkfinetune.spark.train;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.config.ConfigLoader.Loaded;
import org.sparkfinetune.config.TrainConfig;
import org.sparkfinetune.config.TrainConfig.Reporter;
import org.sparkfinetune.engine.metrics.MetricsLine;
import org.sparkfinetune.engine.metrics.RunFolder;
import org.sparkfinetune.errors.Bug;
import org.sparkfinetune.report.mlflow.MlflowRun;
import org.sparkfinetune.report.mlflow.MlflowSettings;
import org.sparkfinetune.store.Store;

/** The tracking server's part of {@code report_to}; without one nothing happens. */
final class ExperimentTracking {
  private static final Logger LOG = LoggerFactory.getLogger(ExperimentTracking.class);

  private final Optional<MlflowRun> run;

  private ExperimentTracking(Optional<MlflowRun> run) {
    this.run = run;
  }

  /**
   * The settings that a run with this configuration would use.
   *
   * @throws org.sparkfinetune.errors.UserError if there are none
   */
  static Optional<MlflowSettings> settings(TrainConfig config) {
    return config.reporting().reportTo().contains(Reporter.MLFLOW)
        ? Optional.of(MlflowSettings.of(System.getenv()))
        : Optional.empty();
  }

  /** Begins, or goes on with the folder's run. */
  static ExperimentTracking open(Loaded<TrainConfig> loaded, RunFolder folder, Store files) {
    return new ExperimentTracking(
        settings(loaded.config())
            .map(
                settings -> {
                  MlflowRun run =
                      MlflowRun.open(settings, folder, files, parameters(loaded.yaml()));
                  LOG.info("MLflow's run: {}", run.id());
                  return run;
                }));
  }

  /** One for each key, nested ones with a dot between. */
  static Map<String, String> parameters(String yaml) {
    try {
      Map<String, String> parameters = new LinkedHashMap<>();
      flatten("", new YAMLMapper().readTree(yaml), parameters);
      return parameters;
    } catch (JsonProcessingException e) {
      throw new Bug("A resolved configuration is not YAML.", e);
    }
  }

  private static void flatten(String prefix, JsonNode node, Map<String, String> parameters) {
    node.fields()
        .forEachRemaining(
            entry -> {
              JsonNode value = entry.getValue();
              if (value.isObject()) {
                flatten(prefix + entry.getKey() + ".", value, parameters);
              } else if (!value.isNull()) {
                parameters.put(
                    prefix + entry.getKey(),
                    value.isValueNode() ? value.asText() : value.toString());
              }
            });
  }

  void tell(List<MetricsLine> lines) {
    run.ifPresent(to -> to.tell(lines));
  }

  void end(MlflowRun.End end) {
    run.ifPresent(to -> to.end(end));
  }
}
