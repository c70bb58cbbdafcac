package org.sparkfinetune.engine.metrics;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;

/** A line of {@code metrics.jsonl}: doubles in full precision, non-finite ones as strings. */
public sealed interface MetricsLine {

  /** The optimizer step after which it was taken; 0 before the first. */
  long step();

  /** Passes over the data so far. */
  double epoch();

  /** Seconds of training until then, over all attempts; NaN where the file does not say. */
  double runtime();

  /** One JSON object, without a line end. */
  String json();

  /**
   * How the training went on until a line.
   *
   * @param runtime see {@link MetricsLine#runtime()}
   * @param stepSeconds median over the steps since the last line, from the end of the step before,
   *     evaluations left out; NaN where the file does not say
   * @param anonymousBytes memory of rank 0 that no file is behind; 0 where the file does not say
   */
  record Pace(double runtime, double stepSeconds, long anonymousBytes) {
    /** Of files of earlier versions. */
    public static final Pace UNKNOWN = new Pace(Double.NaN, Double.NaN, 0);
  }

  /**
   * What happened since the last line.
   *
   * @param loss mean over the trained tokens of each step, averaged over steps
   * @param gradNorm global norm of the last step, before clipping
   * @param trainedTokens tokens with a label since the last line, over all ranks
   * @param tokensPerSecond tokens of all ranks, padding included, by the clock
   * @param attempt start of the training that wrote it, from 1
   */
  record Train(
      long step,
      double epoch,
      double loss,
      double gradNorm,
      double learningRate,
      long trainedTokens,
      double tokensPerSecond,
      int attempt,
      Pace pace)
      implements MetricsLine {
    /** Without its pace. */
    public Train(
        long step,
        double epoch,
        double loss,
        double gradNorm,
        double learningRate,
        long trainedTokens,
        double tokensPerSecond,
        int attempt) {
      this(
          step,
          epoch,
          loss,
          gradNorm,
          learningRate,
          trainedTokens,
          tokensPerSecond,
          attempt,
          Pace.UNKNOWN);
    }

    @Override
    public double runtime() {
      return pace.runtime();
    }

    @Override
    public String json() {
      ObjectNode node = JsonNodeFactory.instance.objectNode();
      node.put("step", step)
          .put("epoch", epoch)
          .put("loss", loss)
          .put("grad_norm", gradNorm)
          .put("learning_rate", learningRate)
          .put("trained_tokens", trainedTokens)
          .put("tokens_per_second", tokensPerSecond)
          .put("attempt", attempt);
      putKnown(node, "step_seconds", pace.stepSeconds());
      if (pace.anonymousBytes() > 0) {
        node.put("anonymous_bytes", pace.anonymousBytes());
      }
      putKnown(node, "runtime", pace.runtime());
      return node.toString();
    }
  }

  /**
   * An evaluation.
   *
   * @param evalLoss mean over all trained tokens of the test split
   * @param evalTrainedTokens how many those are
   * @param lossBySource the same of each source of a mixture, in their order
   */
  record Eval(
      long step,
      double epoch,
      double evalLoss,
      long evalTrainedTokens,
      Map<String, Double> lossBySource,
      double runtime)
      implements MetricsLine {
    private static final String BY_SOURCE = "eval_loss/";

    public Eval {
      lossBySource = Collections.unmodifiableMap(new LinkedHashMap<>(lossBySource));
    }

    /** Of what is no mixture. */
    public Eval(long step, double epoch, double evalLoss, long evalTrainedTokens, double runtime) {
      this(step, epoch, evalLoss, evalTrainedTokens, Map.of(), runtime);
    }

    /** Without the time of it. */
    public Eval(long step, double epoch, double evalLoss, long evalTrainedTokens) {
      this(step, epoch, evalLoss, evalTrainedTokens, Double.NaN);
    }

    @Override
    public String json() {
      ObjectNode node =
          JsonNodeFactory.instance
              .objectNode()
              .put("step", step)
              .put("epoch", epoch)
              .put("eval_loss", evalLoss)
              .put("eval_trained_tokens", evalTrainedTokens);
      lossBySource.forEach((source, loss) -> node.put(BY_SOURCE + source, loss));
      putKnown(node, "runtime", runtime);
      return node.toString();
    }
  }

  private static void putKnown(ObjectNode node, String key, double value) {
    if (!Double.isNaN(value)) {
      node.put(key, value);
    }
  }

  /** The line that {@code json} says; empty if it says none, for example because it was cut off. */
  static Optional<MetricsLine> parse(String json) {
    JsonNode node;
    try {
      node = Json.tree(json);
    } catch (IOException e) {
      return Optional.empty();
    }
    if (!(node instanceof ObjectNode) || !node.path("step").isIntegralNumber()) {
      return Optional.empty();
    }
    return Optional.of(node.has("eval_loss") ? eval(node) : train(node));
  }

  private static Eval eval(JsonNode node) {
    Map<String, Double> bySource = new LinkedHashMap<>();
    for (Map.Entry<String, JsonNode> field : node.properties()) {
      if (field.getKey().startsWith(Eval.BY_SOURCE)) {
        bySource.put(field.getKey().substring(Eval.BY_SOURCE.length()), number(field.getValue()));
      }
    }
    return new Eval(
        node.path("step").asLong(),
        node.path("epoch").asDouble(),
        number(node.path("eval_loss")),
        node.path("eval_trained_tokens").asLong(),
        bySource,
        number(node.path("runtime")));
  }

  private static Train train(JsonNode node) {
    return new Train(
        node.path("step").asLong(),
        node.path("epoch").asDouble(),
        number(node.path("loss")),
        number(node.path("grad_norm")),
        node.path("learning_rate").asDouble(),
        node.path("trained_tokens").asLong(),
        node.path("tokens_per_second").asDouble(),
        node.path("attempt").asInt(),
        new Pace(
            number(node.path("runtime")),
            number(node.path("step_seconds")),
            node.path("anonymous_bytes").asLong()));
  }

  private static double number(JsonNode node) {
    return node.asDouble(Double.NaN);
  }

  /**
   * How long something took and how much was done in it.
   *
   * @param samples rows, over all ranks
   * @param steps optimizer steps, or micro-batches of an evaluation
   */
  record Speed(double seconds, long samples, long steps) {

    public double samplesPerSecond() {
      return seconds > 0 ? samples / seconds : 0;
    }

    public double stepsPerSecond() {
      return seconds > 0 ? steps / seconds : 0;
    }
  }
}
