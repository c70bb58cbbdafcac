package org.sparkfinetune.report.mlflow;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.apache.hadoop.fs.Path;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.engine.metrics.MetricsLine;
import org.sparkfinetune.engine.metrics.RunFolder;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.store.Store;

/**
 * A run as a tracking server knows it, with transformers' names of metrics: {@code loss}, {@code
 * grad_norm}, {@code learning_rate}, {@code epoch}, {@code eval_loss}, and our {@code
 * tokens_per_second}. A run folder keeps its server's id for it ({@code mlflow-run-id}), so that a
 * resumed run goes on there, and no step is told twice. For one thread.
 */
public final class MlflowRun {
  private static final Logger LOG = LoggerFactory.getLogger(MlflowRun.class);

  /** The server takes so many values, parameters or metrics, in a request. */
  private static final int MOST_METRICS = 1000;

  private static final int MOST_PARAMETERS = 100;
  private static final int LONGEST_PARAMETER = 6000;
  private static final String TRAINED = "loss";
  private static final String EVALUATED = "eval_loss";

  /** How a run ends, in MLflow's words. */
  public enum End {
    FINISHED,
    FAILED,
    KILLED
  }

  private final MlflowClient client;
  private final String runId;
  private final InstantSource clock;

  /** The last step that was told, by the metric that tells it. */
  private final Map<String, Long> told = new HashMap<>();

  private boolean silent;

  private MlflowRun(MlflowClient client, String runId, InstantSource clock) {
    this.client = client;
    this.runId = runId;
    this.clock = clock;
  }

  /**
   * The run of a folder: the one it had before, else a new one.
   *
   * @param parameters what it was configured with
   * @throws RunFailure if the server cannot be reached or refuses
   */
  public static MlflowRun open(
      MlflowSettings settings, RunFolder folder, Store files, Map<String, String> parameters) {
    MlflowClient client = new MlflowClient(settings);
    Path file = new Path(folder.root(), "mlflow-run-id");
    try {
      Optional<String> before =
          files.read(file).map(bytes -> new String(bytes, StandardCharsets.UTF_8).strip());
      if (before.isPresent()) {
        Optional<MlflowRun> run = resumed(client, before.get(), files.clock());
        if (run.isPresent()) {
          return run.get();
        }
      }
      MlflowRun run = started(client, settings, folder.root().getName(), files.clock());
      files.replace(file, (run.runId + "\n").getBytes(StandardCharsets.UTF_8));
      run.parameters(parameters);
      return run;
    } catch (IOException e) {
      throw new RunFailure(
          "report_to: mlflow: the tracking server %s does not do its part: %s. Check MLFLOW_TRACKING_URI and that it runs, or leave mlflow out of report_to."
              .formatted(settings.server(), e.getMessage()),
          e);
    }
  }

  private static Optional<MlflowRun> resumed(MlflowClient client, String id, InstantSource clock)
      throws IOException {
    try {
      JsonNode run = client.get("runs/get", "run_id", id).path("run");
      MlflowRun resumed = new MlflowRun(client, id, clock);
      run.path("data")
          .path("metrics")
          .forEach(
              metric ->
                  resumed.told.put(metric.path("key").asText(), metric.path("step").asLong()));
      resumed.update("RUNNING", Optional.empty());
      return Optional.of(resumed);
    } catch (MlflowClient.Refused e) {
      if (e.code().equals("RESOURCE_DOES_NOT_EXIST")) {
        // The folder was copied, or the server is another one.
        return Optional.empty();
      }
      throw e;
    }
  }

  private static MlflowRun started(
      MlflowClient client, MlflowSettings settings, String name, InstantSource clock)
      throws IOException {
    ObjectNode body = object();
    body.put("experiment_id", experiment(client, settings.experiment()));
    body.put("run_name", name).put("start_time", clock.millis());
    JsonNode info = client.post("runs/create", body).path("run").path("info");
    return new MlflowRun(client, info.path("run_id").asText(), clock);
  }

  private static String experiment(MlflowClient client, String name) throws IOException {
    try {
      return client
          .get("experiments/get-by-name", "experiment_name", name)
          .path("experiment")
          .path("experiment_id")
          .asText();
    } catch (MlflowClient.Refused e) {
      if (!e.code().equals("RESOURCE_DOES_NOT_EXIST")) {
        throw e;
      }
      return client
          .post("experiments/create", object().put("name", name))
          .path("experiment_id")
          .asText();
    }
  }

  /** What the server calls it. */
  public String id() {
    return runId;
  }

  private void parameters(Map<String, String> parameters) throws IOException {
    List<ObjectNode> all = new ArrayList<>();
    parameters.forEach(
        (key, value) ->
            all.add(
                object()
                    .put("key", key)
                    .put(
                        "value", value.substring(0, Math.min(value.length(), LONGEST_PARAMETER)))));
    send("params", all, MOST_PARAMETERS);
  }

  /**
   * Tells what of these lines was not told before. A failure is logged once; the next call tells
   * the rest.
   *
   * @param lines all of the run so far
   */
  public void tell(List<MetricsLine> lines) {
    List<ObjectNode> metrics = new ArrayList<>();
    Map<String, Long> last = new HashMap<>(told);
    for (MetricsLine line : lines) {
      String sign = line instanceof MetricsLine.Eval ? EVALUATED : TRAINED;
      if (line.step() > told.getOrDefault(sign, -1L)) {
        values(line).forEach((key, value) -> metrics.add(metric(key, value, line.step())));
        last.put(sign, line.step());
      }
    }
    try {
      send("metrics", metrics, MOST_METRICS);
      told.putAll(last);
      silent = false;
    } catch (IOException e) {
      if (!silent) {
        LOG.warn("MLflow was not told of some steps and will be later: {}", e.getMessage());
        silent = true;
      }
    }
  }

  private static Map<String, Double> values(MetricsLine line) {
    Map<String, Double> values = new HashMap<>();
    values.put("epoch", line.epoch());
    if (line instanceof MetricsLine.Train train) {
      values.put(TRAINED, train.loss());
      values.put("grad_norm", train.gradNorm());
      values.put("learning_rate", train.learningRate());
      values.put("tokens_per_second", train.tokensPerSecond());
      values.putAll(train.ofPairs());
    } else if (line instanceof MetricsLine.Eval evaluation) {
      values.put(EVALUATED, evaluation.evalLoss());
      evaluation
          .lossBySource()
          .forEach((source, loss) -> values.put(EVALUATED + "/" + source, loss));
      evaluation.metrics().forEach((name, value) -> values.put("eval_" + name, value));
    }
    return values;
  }

  private ObjectNode metric(String key, double value, long step) {
    return object()
        .put("key", key)
        .put("value", value)
        .put("timestamp", clock.millis())
        .put("step", step);
  }

  private void send(String kind, List<ObjectNode> all, int most) throws IOException {
    for (int from = 0; from < all.size(); from += most) {
      ObjectNode body = object().put("run_id", runId);
      ArrayNode some = body.putArray(kind);
      some.addAll(all.subList(from, Math.min(all.size(), from + most)));
      client.post("runs/log-batch", body);
    }
  }

  /** Tells that the run has ended; a failure is logged. */
  public void end(End end) {
    try {
      update(end.name(), Optional.of(clock.millis()));
    } catch (IOException e) {
      LOG.warn("MLflow was not told that the run has ended: {}", e.getMessage());
    }
  }

  private void update(String status, Optional<Long> endTime) throws IOException {
    ObjectNode body = object().put("run_id", runId).put("status", status);
    endTime.ifPresent(time -> body.put("end_time", time));
    client.post("runs/update", body);
  }

  private static ObjectNode object() {
    return JsonNodeFactory.instance.objectNode();
  }
}
