package org.sparkfinetune.inference.evaluate;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import org.sparkfinetune.data.conversation.Conversation;
import org.sparkfinetune.data.conversation.Conversation.Message;
import org.sparkfinetune.errors.Bug;
import org.sparkfinetune.inference.evaluate.ModelResult.Difference;
import org.sparkfinetune.inference.evaluate.ModelResult.Mean;
import org.sparkfinetune.inference.evaluate.ModelResult.Proportion;

/**
 * {@code evaluation.json}, and by {@link EvaluationSummary} the same in words.
 *
 * @param about model, adapters, base, data: key to value, a text, number or mapping
 * @param questions prompts, in order
 * @param expected answers, in order
 * @param metrics of answers, in the order in which they are shown
 * @param models name ({@code base}, {@code adapter}) to result; the last is the one of interest
 */
public record EvaluationReport(
    Map<String, Object> about,
    List<Conversation> questions,
    List<String> expected,
    List<AnswerMetric> metrics,
    Map<String, ModelResult> models) {
  private static final ObjectMapper JSON = new ObjectMapper();

  public EvaluationReport {
    about = new LinkedHashMap<>(about);
    questions = List.copyOf(questions);
    expected = List.copyOf(expected);
    metrics = List.copyOf(metrics);
    models = new LinkedHashMap<>(models);
  }

  /** A model before another in the order of the report. */
  record Pair(String from, String to) {}

  /** Every two models, each with those behind it. */
  List<Pair> pairs() {
    List<String> names = List.copyOf(models.keySet());
    List<Pair> pairs = new ArrayList<>();
    for (int to = 1; to < names.size(); to++) {
      for (int from = 0; from < to; from++) {
        pairs.add(new Pair(names.get(from), names.get(to)));
      }
    }
    return pairs;
  }

  /** Metric, the loss among them, to what is added from one model to another. */
  Map<String, Difference> differences(Pair pair) {
    ModelResult from = model(pair.from());
    ModelResult to = model(pair.to());
    Map<String, Difference> differences = new LinkedHashMap<>();
    to.lossSince(from).ifPresent(difference -> differences.put("loss", difference));
    for (AnswerMetric metric : metrics) {
      to.since(from, metric.name())
          .ifPresent(difference -> differences.put(metric.name(), difference));
    }
    return differences;
  }

  private ModelResult model(String name) {
    return Objects.requireNonNull(models.get(name), name);
  }

  /** A table of the metrics and ten samples, for the terminal. */
  public String summary() {
    return new EvaluationSummary(this).text();
  }

  /** The whole report. */
  public String json() {
    ObjectNode root = JSON.createObjectNode();
    about.forEach((key, value) -> root.set(key, JSON.valueToTree(value)));
    root.put("num_samples", questions.size());
    ObjectNode measured = root.putObject("metrics");
    models.forEach((name, result) -> measured.set(name, measured(result)));
    List<Pair> pairs = pairs();
    if (!pairs.isEmpty()) {
      List<String> names = List.copyOf(models.keySet());
      root.set("difference", json(new Pair(names.get(0), names.get(names.size() - 1))));
      ArrayNode each = root.putArray("differences");
      for (Pair pair : pairs) {
        ObjectNode node = each.addObject().put("from", pair.from()).put("to", pair.to());
        node.setAll(json(pair));
      }
    }
    ArrayNode samples = root.putArray("samples");
    for (int i = 0; i < questions.size(); i++) {
      samples.add(sample(i));
    }
    return text(root);
  }

  private static String text(ObjectNode root) {
    try {
      return JSON.writerWithDefaultPrettyPrinter().writeValueAsString(root) + "\n";
    } catch (JsonProcessingException e) {
      throw new Bug("A report could not be written as JSON.", e);
    }
  }

  private ObjectNode measured(ModelResult result) {
    ObjectNode node = JSON.createObjectNode();
    result
        .loss()
        .ifPresent(
            loss -> {
              node.set("loss", interval(loss.value(), loss.low(), loss.high()));
              node.put("perplexity", Math.exp(loss.value()));
              node.put("loss_tokens", loss.tokens());
            });
    for (AnswerMetric metric : metrics) {
      measured(metric, result).ifPresent(value -> node.set(metric.name(), value));
    }
    if (!result.kinds().isEmpty()) {
      ObjectNode kinds = node.putObject("verdicts");
      result
          .kinds()
          .forEach((kind, count) -> kinds.put(kind.name().toLowerCase(Locale.ROOT), count));
    }
    result.truncated().ifPresent(count -> node.put("truncated", count));
    return node;
  }

  private static Optional<ObjectNode> measured(AnswerMetric metric, ModelResult result) {
    return switch (metric.scale()) {
      case HIT -> result.share(metric.name()).map(EvaluationReport::json);
      case GRADE -> result.mean(metric.name()).map(EvaluationReport::json);
    };
  }

  private static ObjectNode interval(double value, double low, double high) {
    return JSON.createObjectNode().put("value", value).put("low", low).put("high", high);
  }

  private static ObjectNode json(Mean mean) {
    return interval(mean.value(), mean.low(), mean.high()).put("of", mean.tokens());
  }

  private static ObjectNode json(Proportion p) {
    return interval(p.value(), p.low(), p.high()).put("hits", p.hits()).put("of", p.count());
  }

  private ObjectNode json(Pair pair) {
    ObjectNode node = JSON.createObjectNode();
    differences(pair)
        .forEach(
            (name, d) ->
                node.set(name, interval(d.value(), d.low(), d.high()).put("of", d.count())));
    return node;
  }

  private ObjectNode sample(int i) {
    ObjectNode node = JSON.createObjectNode();
    node.put("sample", i);
    ArrayNode prompt = node.putArray("prompt");
    for (Message message : questions.get(i).messages()) {
      prompt.addObject().put("role", message.role().text()).put("content", message.content());
    }
    node.put("expected", expected.get(i));
    models.forEach((name, result) -> node.set(name, sample(result.samples().get(i))));
    return node;
  }

  private ObjectNode sample(SampleResult result) {
    ObjectNode node = JSON.createObjectNode();
    result.loss().ifPresent(loss -> node.put("loss", loss.sum() / Math.max(1, loss.tokens())));
    result
        .answer()
        .ifPresent(
            answer -> node.put("generated", answer.text()).put("truncated", answer.isTruncated()));
    for (AnswerMetric metric : metrics) {
      Optional.ofNullable(result.scores().get(metric.name()))
          .ifPresent(
              score -> {
                switch (metric.scale()) {
                  case HIT -> node.put(metric.name(), score == 1);
                  case GRADE -> node.put(metric.name(), score);
                }
              });
    }
    result
        .verdict()
        .ifPresent(
            verdict ->
                node.put("verdict", verdict.kind().name().toLowerCase(Locale.ROOT))
                    .put("reason", verdict.reason()));
    return node;
  }
}
