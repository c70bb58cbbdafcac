package org.sparkfinetune.spark.model;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.hadoop.fs.Path;
import org.sparkfinetune.config.MergeConfig;
import org.sparkfinetune.config.TrainConfig;
import org.sparkfinetune.engine.metrics.RunFolder;
import org.sparkfinetune.model.hub.HubId;
import org.sparkfinetune.store.Store;

/**
 * {@code README.md} of a model on a hub: the metadata that hubs read between two lines of dashes,
 * then what the model was made of, by which data (their hashes), and how it did. What no run folder
 * beside the adapter says is left out.
 */
final class ModelCard {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final Pattern LICENCE =
      Pattern.compile("\\A---\\R(?:(?!---\\R).*\\R)*?license: *([\\w.-]+) *\\R");

  private final MergeConfig config;
  private final Optional<RunFolder> run;
  private final Store store;

  /**
   * @param adapter located
   */
  ModelCard(MergeConfig config, Optional<String> adapter, Store store) {
    this.config = config;
    this.run = adapter.map(Path::new).map(Path::getParent).map(RunFolder::new);
    this.store = store;
  }

  /**
   * @param baseCard the base model's own card, of whose metadata the licence is taken
   */
  String text(Optional<String> baseCard) {
    List<String> lines = new ArrayList<>();
    lines.add("---");
    metadata(baseCard).forEach((key, value) -> lines.add(key + ": " + value));
    lines.add("tags: [spark-finetune" + (config.adapter().isPresent() ? ", lora]" : "]"));
    lines.add("---");
    lines.add("");
    lines.add("# " + config.pushTo().orElseThrow().replaceFirst(".*/", ""));
    lines.add("");
    lines.add(what());
    lines.add("");
    lines.add("| | |");
    lines.add("| --- | --- |");
    facts().forEach((key, value) -> lines.add("| %s | %s |".formatted(key, cell(value))));
    return String.join("\n", lines) + "\n";
  }

  private Map<String, String> metadata(Optional<String> baseCard) {
    Map<String, String> metadata = new LinkedHashMap<>();
    base().filter(HubId::isName).ifPresent(base -> metadata.put("base_model", base));
    baseCard
        .map(LICENCE::matcher)
        .filter(Matcher::find)
        .ifPresent(found -> metadata.put("license", found.group(1)));
    metadata.put("pipeline_tag", "text-generation");
    switch (config.format()) {
      case SAFETENSORS -> metadata.put("library_name", "transformers");
      case ADAPTER -> metadata.put("library_name", "peft");
      case GGUF_F16, GGUF_Q8_0 -> metadata.put("library_name", "gguf");
    }
    return metadata;
  }

  private Optional<String> base() {
    String named = config.modelId();
    String id = named.startsWith("hub:") ? named.substring("hub:".length()) : named;
    return Optional.of(id.replaceFirst("@.*", ""))
        .filter(HubId::isName)
        .or(() -> json(RunFolder::provenance).map(p -> p.path("model").path("path").asText()))
        .filter(text -> !text.isEmpty());
  }

  private String what() {
    String base = base().filter(HubId::isName).orElse("a base model");
    return switch (config.format()) {
      case ADAPTER -> "A LoRA adapter of %s, trained by spark-finetune.".formatted(base);
      case SAFETENSORS, GGUF_F16, GGUF_Q8_0 ->
          config.adapter().isPresent()
              ? "%s with a LoRA merged into it, trained by spark-finetune.".formatted(base)
              : "%s, written by spark-finetune.".formatted(base);
    };
  }

  private Map<String, String> facts() {
    Map<String, String> facts = new LinkedHashMap<>();
    base().filter(HubId::isName).ifPresent(base -> facts.put("base model", base));
    Optional<JsonNode> provenance = json(RunFolder::provenance);
    provenance.ifPresent(
        p -> {
          put(facts, "base model's revision", p.path("model").path("revision"));
          put(facts, "base model's hash", p.path("model").path("hash"));
          put(facts, "data's hash", p.path("data").path("hash"));
          put(facts, "data files' hash", p.path("data").path("content_hash"));
          put(facts, "spark-finetune", p.path("versions").path("spark-finetune"));
        });
    run.flatMap(folder -> RunOfAdapter.find(Optional.of(folder.adapter().toString()), store))
        .ifPresent(trained -> settings(facts, trained));
    json(RunFolder::summary)
        .ifPresent(
            summary -> {
              put(facts, "optimizer steps", summary.path("steps"));
              put(facts, "train_loss", summary.path("train_loss"));
              put(facts, "eval_loss", summary.path("eval_loss"));
            });
    json(folder -> new Path(folder.root(), "evaluation.json"))
        .ifPresent(
            evaluation ->
                evaluation
                    .path("metrics")
                    .path("adapter")
                    .fields()
                    .forEachRemaining(
                        metric ->
                            put(
                                facts,
                                metric.getKey(),
                                metric.getValue().isObject()
                                    ? metric.getValue().path("value")
                                    : metric.getValue())));
    return facts;
  }

  private static void settings(Map<String, String> facts, TrainConfig trained) {
    facts.put("method", trained.method().text());
    facts.put(
        "LoRA",
        "r %s, alpha %s, %s"
            .formatted(
                trained.lora().r(),
                trained.lora().alpha(),
                String.join(", ", trained.lora().targetModules())));
    facts.put(
        "learning rate",
        String.format(
            Locale.ROOT,
            "%s, %s",
            trained.optimization().learningRate(),
            trained.optimization().lrSchedulerType().text()));
  }

  private static void put(Map<String, String> facts, String key, JsonNode value) {
    if (value.isNumber() || (value.isTextual() && !value.textValue().isEmpty())) {
      facts.put(key, value.asText());
    }
  }

  private static String cell(String value) {
    return value.replace("|", "\\|").replaceAll("\\p{Cntrl}", " ");
  }

  private interface File {
    Path in(RunFolder folder);
  }

  private Optional<JsonNode> json(File file) {
    return run.flatMap(folder -> store.read(file.in(folder)))
        .flatMap(
            bytes -> {
              try {
                return Optional.of(JSON.readTree(new String(bytes, StandardCharsets.UTF_8)));
              } catch (IOException e) {
                return Optional.empty();
              }
            });
  }
}
