package org.sparkfinetune.report.mlflow;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sparkfinetune.engine.metrics.MetricsLine;
import org.sparkfinetune.engine.metrics.RunFolder;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.store.Store;

/** Against a stand-in that keeps what it is told; {@code .ci/mlflow} tries the real server. */
class MlflowRunTest {
  private static final ObjectMapper JSON = new ObjectMapper();

  private final Store files =
      new Store(new Configuration(), InstantSource.fixed(Instant.ofEpochMilli(1000)));
  private final Map<String, String> environment = new HashMap<>();
  private final List<String> requests = new ArrayList<>();
  private final List<JsonNode> batches = new ArrayList<>();
  private boolean broken;
  private boolean knowsRun = true;
  private HttpServer server;
  @TempDir Path folder;

  @BeforeEach
  void serve() throws IOException {
    server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    server.createContext("/base/api/2.0/mlflow/", this::answer);
    server.start();
    environment.put(
        "MLFLOW_TRACKING_URI", "http://127.0.0.1:%d/base".formatted(server.getAddress().getPort()));
  }

  @AfterEach
  void stop() {
    server.stop(0);
  }

  private void answer(HttpExchange exchange) throws IOException {
    try (exchange) {
      String path = exchange.getRequestURI().toString().substring("/base/api/2.0/mlflow/".length());
      String body = new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8);
      requests.add((path + " " + body).strip());
      if (broken) {
        send(exchange, 500, "{\"error_code\": \"INTERNAL_ERROR\", \"message\": \"disk full\"}");
      } else if (path.startsWith("experiments/get-by-name")
          || path.startsWith("runs/get?") && !knowsRun) {
        send(exchange, 404, "{\"error_code\": \"RESOURCE_DOES_NOT_EXIST\", \"message\": \"no\"}");
      } else if (path.equals("experiments/create")) {
        send(exchange, 200, "{\"experiment_id\": \"7\"}");
      } else if (path.equals("runs/create")) {
        send(exchange, 200, "{\"run\": {\"info\": {\"run_id\": \"abc\"}}}");
      } else if (path.startsWith("runs/get?")) {
        send(
            exchange,
            200,
            "{\"run\": {\"data\": {\"metrics\": [{\"key\": \"loss\", \"value\": 1, \"step\":"
                + " 2}]}}}");
      } else {
        if (path.equals("runs/log-batch")) {
          batches.add(JSON.readTree(body));
        }
        send(exchange, 200, "{}");
      }
    }
  }

  private static void send(HttpExchange exchange, int status, String text) throws IOException {
    exchange.sendResponseHeaders(status, text.length());
    exchange.getResponseBody().write(text.getBytes(StandardCharsets.UTF_8));
  }

  private MlflowRun open(Map<String, String> parameters) {
    return MlflowRun.open(
        MlflowSettings.of(environment),
        RunFolder.of(folder.resolve("my-run").toString()),
        files,
        parameters);
  }

  private static MetricsLine.Train line(long step) {
    return new MetricsLine.Train(step, step / 4.0, 2.5, 1, 2e-4, 9, 100, 1);
  }

  private static MetricsLine.Train ofPairs(long step) {
    Map<String, Double> margins = Map.of("rewards/margins", 0.5);
    return new MetricsLine.Train(
        step, step / 4.0, 2.5, 1, 2e-4, 9, 100, 1, margins, MetricsLine.Pace.UNKNOWN);
  }

  @Test
  void a_run_is_created_with_its_parameters_told_by_steps_and_ended() {
    environment.put("MLFLOW_EXPERIMENT_NAME", "mine");
    MlflowRun run = open(Map.of("lora_r", "16"));
    run.tell(List.of(ofPairs(1), new MetricsLine.Eval(1, 0.25, 3.5, 10)));
    run.tell(List.of(ofPairs(1), new MetricsLine.Eval(1, 0.25, 3.5, 10), line(2)));
    run.end(MlflowRun.End.FINISHED);
    assertThat(requests.subList(0, 3))
        .containsExactly(
            "experiments/get-by-name?experiment_name=mine",
            "experiments/create {\"name\":\"mine\"}",
            "runs/create {\"experiment_id\":\"7\",\"run_name\":\"my-run\",\"start_time\":1000}");
    assertThat(batches.get(0).path("params").toString())
        .isEqualTo("[{\"key\":\"lora_r\",\"value\":\"16\"}]");
    assertThat(batches.get(1).path("metrics").toString())
        .contains("{\"key\":\"loss\",\"value\":2.5,\"timestamp\":1000,\"step\":1}")
        .contains("{\"key\":\"rewards/margins\",\"value\":0.5,\"timestamp\":1000,\"step\":1}")
        .contains("{\"key\":\"eval_loss\",\"value\":3.5,\"timestamp\":1000,\"step\":1}");
    assertThat(batches.get(2).path("metrics").findValuesAsText("step")).containsOnly("2");
    assertThat(requests.get(requests.size() - 1))
        .isEqualTo("runs/update {\"run_id\":\"abc\",\"status\":\"FINISHED\",\"end_time\":1000}");
  }

  @Test
  void a_resumed_run_goes_on_in_the_same_place_after_the_last_step_that_was_told() {
    open(Map.of());
    MlflowRun again = open(Map.of("lora_r", "16"));
    assertThat(again.id()).isEqualTo("abc");
    assertThat(requests).filteredOn(request -> request.startsWith("runs/create")).hasSize(1);
    again.tell(List.of(line(1), line(2), line(3)));
    assertThat(batches).hasSize(1);
    assertThat(batches.get(0).path("metrics").findValuesAsText("step")).containsOnly("3");
  }

  @Test
  void a_run_that_the_server_does_not_know_is_begun_anew() {
    open(Map.of());
    knowsRun = false;
    open(Map.of());
    assertThat(requests).filteredOn(request -> request.startsWith("runs/create")).hasSize(2);
  }

  @Test
  void what_a_failing_server_missed_is_told_later() {
    MlflowRun run = open(Map.of());
    broken = true;
    run.tell(List.of(line(1)));
    broken = false;
    run.tell(List.of(line(1), line(2)));
    assertThat(batches.get(0).path("metrics").findValuesAsText("step")).contains("1", "2");
  }

  @Test
  void more_values_than_a_request_may_hold_come_in_several() {
    MlflowRun run = open(Map.of());
    run.tell(IntStream.rangeClosed(1, 450).<MetricsLine>mapToObj(i -> line(i)).toList());
    assertThat(batches.stream().map(batch -> batch.path("metrics").size()).toList())
        .containsExactly(1000, 1000, 250);
  }

  @Test
  void a_server_that_refuses_at_the_start_ends_the_run_with_its_words() {
    broken = true;
    assertThatThrownBy(() -> open(Map.of()))
        .isInstanceOf(RunFailure.class)
        .hasMessageContaining("status 500 disk full")
        .hasMessageContaining("Check MLFLOW_TRACKING_URI");
  }

  @Test
  void settings_that_cannot_work_are_told_before_a_run() {
    environment.remove("MLFLOW_TRACKING_URI");
    assertThatThrownBy(() -> MlflowSettings.of(environment))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("report_to: mlflow needs a tracking server")
        .hasMessageContaining("http://127.0.0.1:5000");
    environment.put("MLFLOW_TRACKING_URI", "http://mlflow.example:5000");
    environment.put("MLFLOW_TRACKING_TOKEN", "secret");
    assertThatThrownBy(() -> MlflowSettings.of(environment))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("not encrypted")
        .hasMessageNotContaining("secret");
    environment.put("MLFLOW_TRACKING_URI", "https://mlflow.example");
    assertThat(MlflowSettings.of(environment).authorization()).contains("Bearer secret");
  }
}
