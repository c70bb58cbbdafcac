package org.sparkfinetune.engine.metrics;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

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
   * @param ofPairs rewards and log-probabilities of pairs by TRL's names, averaged over steps;
   *     empty where rows are no pairs
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
      Map<String, Double> ofPairs,
      Pace pace)
      implements MetricsLine {
    public Train {
      ofPairs = Collections.unmodifiableMap(new LinkedHashMap<>(ofPairs));
    }

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
          Map.of(),
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
      ofPairs.forEach(node::put);
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
   * @param metrics of the model's answers, by name
   * @param answers some of them, the same questions each time
   */
  record Eval(
      long step,
      double epoch,
      double evalLoss,
      long evalTrainedTokens,
      Map<String, Double> lossBySource,
      Map<String, Double> metrics,
      List<Answer> answers,
      double runtime)
      implements MetricsLine {
    private static final String PREFIX = "eval_";
    private static final String LOSS = "eval_loss";
    private static final String BY_SOURCE = "eval_loss/";
    private static final String TRAINED_TOKENS = "eval_trained_tokens";
    private static final String ANSWERS = "eval_answers";

    /** What answering took, among {@link #metrics}. */
    public static final String GENERATED_TOKENS = "generated_tokens";

    public static final String TRUNCATED_ANSWERS = "truncated_answers";
    public static final String GENERATE_RUNTIME = "generate_runtime";
    private static final Set<String> OTHERS = Set.of(LOSS, TRAINED_TOKENS, ANSWERS);

    public Eval {
      lossBySource = Collections.unmodifiableMap(new LinkedHashMap<>(lossBySource));
      metrics = Collections.unmodifiableMap(new LinkedHashMap<>(metrics));
      answers = List.copyOf(answers);
    }

    /** Of what is no mixture. */
    public Eval(long step, double epoch, double evalLoss, long evalTrainedTokens, double runtime) {
      this(step, epoch, evalLoss, evalTrainedTokens, Map.of(), Map.of(), List.of(), runtime);
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
              .put(LOSS, evalLoss)
              .put(TRAINED_TOKENS, evalTrainedTokens);
      lossBySource.forEach((source, loss) -> node.put(BY_SOURCE + source, loss));
      metrics.forEach((name, value) -> node.put(PREFIX + name, value));
      if (!answers.isEmpty()) {
        ArrayNode list = node.putArray(ANSWERS);
        for (Answer one : answers) {
          list.addObject()
              .put("prompt", one.prompt())
              .put("expected", one.expected())
              .put("answer", one.answer());
        }
      }
      putKnown(node, "runtime", runtime);
      return node.toString();
    }
  }

  /**
   * What the model wrote.
   *
   * @param prompt the last of the question's messages
   */
  record Answer(String prompt, String expected, String answer) {}

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
    return Optional.of(node.has(Eval.LOSS) ? eval(node) : train(node));
  }

  private static Eval eval(JsonNode node) {
    Map<String, Double> bySource = new LinkedHashMap<>();
    Map<String, Double> metrics = new LinkedHashMap<>();
    for (Map.Entry<String, JsonNode> field : node.properties()) {
      String name = field.getKey();
      if (name.startsWith(Eval.BY_SOURCE)) {
        bySource.put(name.substring(Eval.BY_SOURCE.length()), number(field.getValue()));
      } else if (name.startsWith(Eval.PREFIX) && !Eval.OTHERS.contains(name)) {
        metrics.put(name.substring(Eval.PREFIX.length()), number(field.getValue()));
      }
    }
    List<Answer> answers = new ArrayList<>();
    for (JsonNode one : node.path(Eval.ANSWERS)) {
      answers.add(
          new Answer(
              one.path("prompt").asText(),
              one.path("expected").asText(),
              one.path("answer").asText()));
    }
    return new Eval(
        node.path("step").asLong(),
        node.path("epoch").asDouble(),
        number(node.path(Eval.LOSS)),
        node.path(Eval.TRAINED_TOKENS).asLong(),
        bySource,
        metrics,
        answers,
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
        ofPairs(node),
        new Pace(
            number(node.path("runtime")),
            number(node.path("step_seconds")),
            node.path("anonymous_bytes").asLong()));
  }

  /** The only names with a slash. */
  private static Map<String, Double> ofPairs(JsonNode node) {
    Map<String, Double> values = new LinkedHashMap<>();
    for (Map.Entry<String, JsonNode> field : node.properties()) {
      if (field.getKey().contains("/")) {
        values.put(field.getKey(), number(field.getValue()));
      }
    }
    return values;
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
