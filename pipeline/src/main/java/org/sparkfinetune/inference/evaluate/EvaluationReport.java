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
import java.util.Optional;
import org.sparkfinetune.data.conversation.Conversation;
import org.sparkfinetune.data.conversation.Conversation.Message;
import org.sparkfinetune.errors.Bug;
import org.sparkfinetune.inference.evaluate.ModelResult.Mean;
import org.sparkfinetune.inference.evaluate.ModelResult.Proportion;
import org.sparkfinetune.inference.evaluate.SampleResult.Verdict;

/**
 * {@code evaluation.json} and its summary in words.
 *
 * @param about model, adapter, base, data: key to value
 * @param questions prompts, in order
 * @param expected answers, in order
 * @param metrics of answers, in the order in which they are shown
 * @param models name ({@code base}, {@code adapter}) to result; the last is the one of interest
 */
public record EvaluationReport(
    Map<String, String> about,
    List<Conversation> questions,
    List<String> expected,
    List<AnswerMetric> metrics,
    Map<String, ModelResult> models) {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final int SHOWN = 10;

  public EvaluationReport {
    about = new LinkedHashMap<>(about);
    questions = List.copyOf(questions);
    expected = List.copyOf(expected);
    metrics = List.copyOf(metrics);
    models = new LinkedHashMap<>(models);
  }

  /** The whole report. */
  public String json() {
    ObjectNode root = JSON.createObjectNode();
    about.forEach(root::put);
    root.put("num_samples", questions.size());
    ObjectNode measured = root.putObject("metrics");
    models.forEach((name, result) -> measured.set(name, measured(result)));
    difference().ifPresent(text -> root.set("difference", text));
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
    return node;
  }

  private static Optional<ObjectNode> measured(AnswerMetric metric, ModelResult result) {
    return switch (metric.scale()) {
      case HIT -> result.share(metric.name()).map(EvaluationReport::proportion);
      case GRADE -> result.mean(metric.name()).map(EvaluationReport::grade);
    };
  }

  private static ObjectNode interval(double value, double low, double high) {
    ObjectNode node = JSON.createObjectNode();
    node.put("value", value);
    node.put("low", low);
    node.put("high", high);
    return node;
  }

  private static ObjectNode grade(Mean mean) {
    return interval(mean.value(), mean.low(), mean.high()).put("of", mean.tokens());
  }

  private static ObjectNode proportion(Proportion p) {
    ObjectNode node = interval(p.value(), p.low(), p.high());
    node.put("hits", p.hits());
    node.put("of", p.count());
    return node;
  }

  /** Points of execution match from the first model to the last, on the same samples. */
  private Optional<ObjectNode> difference() {
    if (models.size() < 2) {
      return Optional.empty();
    }
    List<ModelResult> both = List.copyOf(models.values());
    List<Integer> differences = new ArrayList<>();
    for (int i = 0; i < questions.size(); i++) {
      Optional<Verdict> before = both.get(0).samples().get(i).verdict();
      Optional<Verdict> after = both.get(1).samples().get(i).verdict();
      boolean judged =
          before.isPresent()
              && after.isPresent()
              && before.get().kind() != Verdict.Kind.UNJUDGED
              && after.get().kind() != Verdict.Kind.UNJUDGED;
      if (judged) {
        differences.add((after.get().isMatch() ? 1 : 0) - (before.get().isMatch() ? 1 : 0));
      }
    }
    if (differences.isEmpty()) {
      return Optional.empty();
    }
    Mean mean = Mean.of(differences.stream().map(d -> new Mean.Part(d, 1)).toList());
    ObjectNode node = JSON.createObjectNode();
    node.set("execution_match", interval(mean.value(), mean.low(), mean.high()));
    return Optional.of(node);
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
    result.answer().ifPresent(answer -> node.put("generated", answer.text()));
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
            verdict -> {
              node.put("verdict", verdict.kind().name().toLowerCase(Locale.ROOT));
              node.put("reason", verdict.reason());
            });
    return node;
  }

  /** A table of the metrics and ten samples, for the terminal. */
  public String summary() {
    StringBuilder text = new StringBuilder();
    text.append(String.format(Locale.ROOT, "%d samples%n", questions.size()));
    models.forEach((name, result) -> text.append(summary(name, result)));
    int shown = Math.min(SHOWN, questions.size());
    for (int i = 0; i < shown; i++) {
      text.append(String.format(Locale.ROOT, "%n%d. expected   %s%n", i + 1, expected.get(i)));
      for (Map.Entry<String, ModelResult> model : models.entrySet()) {
        SampleResult sample = model.getValue().samples().get(i);
        text.append(
            String.format(
                Locale.ROOT,
                "   %-10s %s%s%n",
                model.getKey(),
                sample.answer().map(SampleResult.Answer::text).orElse("").replace("\n", "\\n"),
                sample.verdict().map(v -> "   [" + words(v) + "]").orElse("")));
      }
    }
    return text.toString();
  }

  private static String words(Verdict verdict) {
    String kind = verdict.kind().name().toLowerCase(Locale.ROOT).replace('_', ' ');
    return verdict.reason().isEmpty() ? kind : kind + ": " + verdict.reason();
  }

  private String summary(String name, ModelResult result) {
    StringBuilder line = new StringBuilder(String.format(Locale.ROOT, "%-8s", name));
    result
        .loss()
        .ifPresent(
            loss ->
                line.append(
                    String.format(
                        Locale.ROOT,
                        "  loss %.4f (%.4f to %.4f)  perplexity %.2f",
                        loss.value(),
                        loss.low(),
                        loss.high(),
                        Math.exp(loss.value()))));
    for (AnswerMetric metric : metrics) {
      append(line, metric.name().replace("_match", ""), result.share(metric.name()));
    }
    return line.append(System.lineSeparator()).toString();
  }

  private static void append(StringBuilder line, String name, Optional<Proportion> share) {
    share.ifPresent(
        p ->
            line.append(
                String.format(
                    Locale.ROOT,
                    "  %s %.1f %% (%.1f to %.1f)",
                    name,
                    100 * p.value(),
                    100 * p.low(),
                    100 * p.high())));
  }
}
