package org.sparkfinetune.metrics;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.util.Optional;

/** A line of {@code metrics.jsonl}: doubles in full precision, non-finite ones as strings. */
public sealed interface MetricsLine {

  /** The optimizer step after which it was taken; 0 before the first. */
  long step();

  /** Passes over the data so far. */
  double epoch();

  /** One JSON object, without a line end. */
  String json();

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
      int attempt)
      implements MetricsLine {
    @Override
    public String json() {
      return JsonNodeFactory.instance
          .objectNode()
          .put("step", step)
          .put("epoch", epoch)
          .put("loss", loss)
          .put("grad_norm", gradNorm)
          .put("learning_rate", learningRate)
          .put("trained_tokens", trainedTokens)
          .put("tokens_per_second", tokensPerSecond)
          .put("attempt", attempt)
          .toString();
    }
  }

  /**
   * An evaluation.
   *
   * @param evalLoss mean over all trained tokens of the test split
   * @param evalTrainedTokens how many those are
   */
  record Eval(long step, double epoch, double evalLoss, long evalTrainedTokens)
      implements MetricsLine {
    @Override
    public String json() {
      return JsonNodeFactory.instance
          .objectNode()
          .put("step", step)
          .put("epoch", epoch)
          .put("eval_loss", evalLoss)
          .put("eval_trained_tokens", evalTrainedTokens)
          .toString();
    }
  }

  /** The line that {@code json} says; empty if it says none, for example because it was cut off. */
  static Optional<MetricsLine> parse(String json) {
    JsonNode node;
    try {
      node = new ObjectMapper().readTree(json);
    } catch (IOException e) {
      return Optional.empty();
    }
    if (!(node instanceof ObjectNode) || !node.path("step").isIntegralNumber()) {
      return Optional.empty();
    }
    return Optional.of(node.has("eval_loss") ? eval(node) : train(node));
  }

  private static Eval eval(JsonNode node) {
    return new Eval(
        node.path("step").asLong(),
        node.path("epoch").asDouble(),
        number(node.path("eval_loss")),
        node.path("eval_trained_tokens").asLong());
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
        node.path("attempt").asInt());
  }

  private static double number(JsonNode node) {
    return node.asDouble(Double.NaN);
  }
}
