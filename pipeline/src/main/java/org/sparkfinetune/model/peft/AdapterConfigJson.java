package org.sparkfinetune.model.peft;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.model.peft.LoraTargets.TargetModules;
import org.sparkfinetune.model.safetensors.PythonJson;

/** {@code adapter_config.json} to {@link AdapterConfig} and back. */
final class AdapterConfigJson {
  private static final ObjectMapper JSON =
      JsonMapper.builder()
          .enable(JsonParser.Feature.STRICT_DUPLICATE_DETECTION)
          .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
          .build();

  /** Keys that change nothing about what a trained LoRA computes. */
  private static final Set<String> IGNORED =
      Set.of(
          "auto_mapping",
          "inference_mode",
          "loftq_config",
          "megatron_core",
          "peft_version",
          "qalora_group_size",
          "runtime_config");

  private static final Set<String> READ =
      Set.of(
          "base_model_name_or_path",
          "bias",
          "init_lora_weights",
          "lora_alpha",
          "lora_dropout",
          "modules_to_save",
          "peft_type",
          "r",
          "revision",
          "target_modules",
          "task_type",
          "use_rslora");

  /** Ways of beginning that leave the base weights as they are; the others (PiSSA…) change them. */
  private static final Set<String> HARMLESS_BEGINNINGS =
      Set.of("true", "false", "null", "\"gaussian\"", "\"orthogonal\"", "\"eva\"");

  private final String where;
  private final JsonNode json;

  private AdapterConfigJson(String where, JsonNode json) {
    this.where = where;
    this.json = json;
  }

  static AdapterConfig parse(String where, byte[] bytes) {
    try {
      JsonNode json = JSON.readTree(bytes);
      if (json == null || !json.isObject()) {
        throw new UserError(where + " is no JSON object.");
      }
      return new AdapterConfigJson(where, json).config();
    } catch (IOException e) {
      throw new UserError(where + " is not JSON.", e);
    }
  }

  private AdapterConfig config() {
    for (Iterator<String> keys = json.fieldNames(); keys.hasNext(); ) {
      String key = keys.next();
      if (!READ.contains(key) && !IGNORED.contains(key) && !isOff(json.get(key))) {
        throw wrong(key, "an adapter without this feature");
      }
    }
    require(json.path("peft_type").asText().equals("LORA"), "peft_type", "\"LORA\"");
    require(
        isOff(json.path("task_type")) || json.path("task_type").asText().equals("CAUSAL_LM"),
        "task_type",
        "\"CAUSAL_LM\"");
    require(
        isOff(json.path("bias")) || json.path("bias").asText().equals("none"), "bias", "\"none\"");
    require(
        json.path("init_lora_weights").isMissingNode()
            || HARMLESS_BEGINNINGS.contains(json.path("init_lora_weights").toString()),
        "init_lora_weights",
        "one of " + HARMLESS_BEGINNINGS + ", which leave the base model alone");
    require(
        json.path("r").isIntegralNumber() && json.path("r").canConvertToInt(),
        "r",
        "a whole number");
    require(json.path("lora_alpha").isNumber(), "lora_alpha", "a number");
    require(
        isOff(json.path("lora_dropout")) || json.path("lora_dropout").isNumber(),
        "lora_dropout",
        "a number");
    require(
        isOff(json.path("use_rslora")) || json.path("use_rslora").isBoolean(),
        "use_rslora",
        "true or false");
    TargetModules targets = targetModules();
    Optional<String> baseModel = text("base_model_name_or_path");
    Optional<String> revision = text("revision");
    List<String> saved = isOff(json.path("modules_to_save")) ? List.of() : names("modules_to_save");
    try {
      return new AdapterConfig(
          baseModel,
          revision,
          json.path("r").intValue(),
          json.path("lora_alpha").doubleValue(),
          json.path("lora_dropout").doubleValue(),
          targets,
          json.path("use_rslora").booleanValue(),
          saved);
    } catch (UserError e) {
      throw new UserError(where + ": " + e.getMessage(), e);
    }
  }

  private TargetModules targetModules() {
    JsonNode targets = json.path("target_modules");
    return targets.isTextual()
        ? new TargetModules.Pattern(targets.textValue())
        : new TargetModules.Names(names("target_modules"));
  }

  private List<String> names(String key) {
    List<String> names = new ArrayList<>();
    for (JsonNode name : json.path(key)) {
      require(name.isTextual(), key, "a list of module names");
      names.add(name.textValue());
    }
    require(json.path(key).isArray() && !names.isEmpty(), key, "a list of module names");
    return names;
  }

  private Optional<String> text(String key) {
    JsonNode value = json.path(key);
    require(value.isMissingNode() || value.isNull() || value.isTextual(), key, "a text");
    return Optional.ofNullable(value.textValue());
  }

  /** Null, false, or nothing inside: what PEFT writes for a feature that is not used. */
  private static boolean isOff(JsonNode value) {
    return value.isMissingNode()
        || value.isNull()
        || (value.isBoolean() && !value.booleanValue())
        || (value.isContainerNode() && value.isEmpty())
        || (value.isTextual() && value.textValue().isEmpty());
  }

  private void require(boolean right, String key, String expected) {
    if (!right) {
      throw wrong(key, expected);
    }
  }

  private UserError wrong(String key, String expected) {
    String found = json.path(key).isMissingNode() ? "missing" : json.path(key).toString();
    return new UserError(
        "%s: %s is %s, supported is %s.".formatted(where, cut(key), cut(found), expected));
  }

  private static String cut(String text) {
    String line = text.replaceAll("\\p{Cntrl}", "?");
    return line.length() <= 100 ? line : line.substring(0, 100) + "…";
  }

  /** With every key that PEFT 0.21.2 writes, so that any version since finds what it looks for. */
  static String write(AdapterConfig config) {
    Map<String, @Nullable Object> json = new TreeMap<>();
    for (String key :
        List.of(
            "alora_invocation_tokens",
            "arrow_config",
            "auto_mapping",
            "corda_config",
            "eva_config",
            "exclude_modules",
            "kasa_config",
            "layer_replication",
            "layers_pattern",
            "layers_to_transform",
            "lora_ga_config",
            "megatron_config",
            "monteclora_config",
            "target_parameters",
            "trainable_token_indices",
            "use_bdlora",
            "velora_config")) {
      json.put(key, null);
    }
    for (String key :
        List.of("ensure_weight_tying", "fan_in_fan_out", "lora_bias", "use_dora", "use_qalora")) {
      json.put(key, false);
    }
    for (String key : List.of("alpha_pattern", "loftq_config", "rank_pattern")) {
      json.put(key, Map.of());
    }
    json.put("bias", "none");
    json.put("inference_mode", true);
    json.put("init_lora_weights", true);
    json.put("megatron_core", "megatron.core");
    json.put("peft_type", "LORA");
    json.put("peft_version", "0.21.2");
    json.put("qalora_group_size", 16);
    json.put("task_type", "CAUSAL_LM");
    json.put("base_model_name_or_path", config.baseModel().orElse(null));
    json.put("revision", config.revision().orElse(null));
    json.put("r", config.r());
    json.put("lora_alpha", wholeIfPossible(config.alpha()));
    json.put("lora_dropout", config.dropout());
    json.put("use_rslora", config.useRslora());
    json.put("modules_to_save", config.modulesToSave().isEmpty() ? null : config.modulesToSave());
    json.put("target_modules", targets(config.targetModules()));
    return PythonJson.write(json);
  }

  private static Object targets(TargetModules targets) {
    if (targets instanceof TargetModules.Names names) {
      return names.names();
    }
    return ((TargetModules.Pattern) targets).pattern();
  }

  private static Number wholeIfPossible(double value) {
    if (value == (int) value) {
      return (int) value;
    }
    return value;
  }
}
