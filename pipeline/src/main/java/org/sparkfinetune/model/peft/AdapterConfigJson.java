package org.sparkfinetune.model.peft;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.model.peft.AdapterConfig.Beginning;
import org.sparkfinetune.model.peft.AdapterConfig.Variant;
import org.sparkfinetune.model.peft.LoraModules.AllLinear;
import org.sparkfinetune.model.peft.LoraModules.Expression;
import org.sparkfinetune.model.peft.LoraModules.Names;
import org.sparkfinetune.model.peft.LoraModules.Targets;
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
          "alpha_pattern",
          "base_model_name_or_path",
          "bias",
          "exclude_modules",
          "init_lora_weights",
          "layers_pattern",
          "layers_to_transform",
          "lora_alpha",
          "lora_bias",
          "lora_dropout",
          "modules_to_save",
          "peft_type",
          "r",
          "rank_pattern",
          "revision",
          "target_modules",
          "task_type",
          "trainable_token_indices",
          "use_dora",
          "use_rslora");

  /** By {@code init_lora_weights}; the others (PiSSA…) change the base weights. */
  private static final Map<String, Beginning> BEGINNINGS =
      Map.of(
          "true", Beginning.KAIMING,
          "null", Beginning.KAIMING,
          "", Beginning.KAIMING,
          "false", Beginning.BOTH_UNIFORM,
          "\"gaussian\"", Beginning.GAUSSIAN,
          "\"orthogonal\"", Beginning.ORTHOGONAL,
          "\"eva\"", Beginning.EVA);

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
    String beginning = json.path("init_lora_weights").toString();
    require(
        BEGINNINGS.containsKey(beginning),
        "init_lora_weights",
        "true, false, \"gaussian\", \"orthogonal\" or \"eva\", which leave the base model alone (of the others save_pretrained writes an adapter over the untouched model with path_initial_model_for_weight_conversion)");
    require(
        json.path("r").isIntegralNumber() && json.path("r").canConvertToInt(),
        "r",
        "a whole number");
    require(json.path("lora_alpha").isNumber(), "lora_alpha", "a number");
    require(
        isOff(json.path("lora_dropout")) || json.path("lora_dropout").isNumber(),
        "lora_dropout",
        "a number");
    for (String key : List.of("use_rslora", "use_dora", "lora_bias")) {
      require(isOff(json.path(key)) || json.path(key).isBoolean(), key, "true or false");
    }
    Optional<String> baseModel = text("base_model_name_or_path");
    Optional<String> revision = text("revision");
    try {
      return new AdapterConfig(
          baseModel,
          revision,
          modules(),
          new LoraRanks(
              json.path("r").intValue(),
              json.path("lora_alpha").doubleValue(),
              json.path("use_rslora").booleanValue(),
              pattern("rank_pattern", this::isWhole, JsonNode::intValue),
              pattern("alpha_pattern", JsonNode::isNumber, JsonNode::doubleValue)),
          json.path("lora_dropout").doubleValue(),
          BEGINNINGS.getOrDefault(beginning, Beginning.KAIMING),
          variant(),
          tokens());
    } catch (UserError e) {
      String message = String.valueOf(e.getMessage());
      throw message.startsWith(where) ? e : new UserError(where + ": " + message, e);
    }
  }

  private Variant variant() {
    boolean bias = json.path("lora_bias").booleanValue();
    boolean dora = json.path("use_dora").booleanValue();
    require(!bias || !dora, "lora_bias", "false beside use_dora, as in PEFT");
    return dora ? Variant.DORA : bias ? Variant.BIAS : Variant.PLAIN;
  }

  /** Of the embedding: a list, or under its name. */
  private List<Integer> tokens() {
    String expected = "a list of token ids, or one by embed_tokens";
    JsonNode given = json.path("trainable_token_indices");
    if (given.isObject() && !given.isEmpty()) {
      require(given.size() == 1 && given.has("embed_tokens"), "trainable_token_indices", expected);
      given = given.path("embed_tokens");
    }
    List<Integer> tokens = new ArrayList<>();
    require(isOff(given) || given.isArray(), "trainable_token_indices", expected);
    for (JsonNode token : given) {
      require(isWhole(token), "trainable_token_indices", expected);
      tokens.add(token.intValue());
    }
    return tokens;
  }

  private LoraModules modules() {
    List<Integer> layers = new ArrayList<>();
    JsonNode given = json.path("layers_to_transform");
    if (given.isInt()) {
      layers.add(given.intValue());
    } else if (!isOff(given)) {
      require(given.isArray(), "layers_to_transform", "a number or a list of numbers");
      for (JsonNode layer : given) {
        require(isWhole(layer), "layers_to_transform", "a number or a list of numbers");
        layers.add(layer.intValue());
      }
    }
    require(!isOff(json.path("target_modules")), "target_modules", "a list of module names");
    return new LoraModules(
        modules("target_modules").orElseThrow(),
        modules("exclude_modules"),
        layers,
        json.path("layers_pattern").isTextual()
            ? text("layers_pattern").filter(pattern -> !pattern.isEmpty()).stream().toList()
            : namesOrNone("layers_pattern"),
        namesOrNone("modules_to_save"));
  }

  private Optional<Targets> modules(String key) {
    JsonNode value = json.path(key);
    if (isOff(value)) {
      return Optional.empty();
    }
    if (!value.isTextual()) {
      return Optional.of(new Names(names(key)));
    }
    return Optional.of(
        key.equals("target_modules") && value.textValue().equals("all-linear")
            ? new AllLinear()
            : Expression.of(key, value.textValue()));
  }

  private boolean isWhole(JsonNode value) {
    return value.isIntegralNumber() && value.canConvertToInt();
  }

  private <T> Map<String, T> pattern(
      String key, Predicate<JsonNode> allowed, Function<JsonNode, T> value) {
    Map<String, T> pattern = new LinkedHashMap<>();
    JsonNode given = json.path(key);
    require(isOff(given) || given.isObject(), key, "numbers by module names");
    given
        .fields()
        .forEachRemaining(
            entry -> {
              require(allowed.test(entry.getValue()), key, "numbers by module names");
              pattern.put(entry.getKey(), value.apply(entry.getValue()));
            });
    return pattern;
  }

  private List<String> namesOrNone(String key) {
    return isOff(json.path(key)) ? List.of() : names(key);
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
            "kasa_config",
            "layer_replication",
            "lora_ga_config",
            "megatron_config",
            "monteclora_config",
            "target_parameters",
            "use_bdlora",
            "velora_config")) {
      json.put(key, null);
    }
    for (String key : List.of("ensure_weight_tying", "fan_in_fan_out", "use_qalora")) {
      json.put(key, false);
    }
    json.put("trainable_token_indices", orNull(config.tokens()));
    json.put("lora_bias", config.variant() == Variant.BIAS);
    json.put("use_dora", config.variant() == Variant.DORA);
    json.put("loftq_config", Map.of());
    json.put("bias", "none");
    json.put("inference_mode", true);
    json.put("init_lora_weights", beginning(config.beginning()));
    json.put("megatron_core", "megatron.core");
    json.put("peft_type", "LORA");
    json.put("peft_version", "0.21.2");
    json.put("qalora_group_size", 16);
    json.put("task_type", "CAUSAL_LM");
    json.put("base_model_name_or_path", config.baseModel().orElse(null));
    json.put("revision", config.revision().orElse(null));
    LoraRanks ranks = config.ranks();
    json.put("r", ranks.r());
    json.put("lora_alpha", wholeIfPossible(ranks.alpha()));
    json.put("rank_pattern", ranks.rankPattern());
    Map<String, Number> alphas = new LinkedHashMap<>();
    ranks.alphaPattern().forEach((name, alpha) -> alphas.put(name, wholeIfPossible(alpha)));
    json.put("alpha_pattern", alphas);
    json.put("lora_dropout", config.dropout());
    json.put("use_rslora", ranks.useRslora());
    LoraModules modules = config.modules();
    json.put("modules_to_save", orNull(modules.modulesToSave()));
    json.put("target_modules", plain(modules.targets()));
    json.put("exclude_modules", modules.excluded().map(AdapterConfigJson::plain).orElse(null));
    json.put("layers_to_transform", orNull(modules.layersToTransform()));
    json.put("layers_pattern", orNull(modules.layersPattern()));
    return PythonJson.write(json);
  }

  private static @Nullable List<?> orNull(List<?> list) {
    return list.isEmpty() ? null : list;
  }

  private static Object plain(Targets targets) {
    if (targets instanceof Names names) {
      return names.names();
    }
    return targets instanceof Expression expression ? expression.text() : "all-linear";
  }

  private static Object beginning(Beginning beginning) {
    return switch (beginning) {
      case KAIMING, EVA, PISSA, OLORA -> true;
      case BOTH_UNIFORM -> false;
      case GAUSSIAN -> "gaussian";
      case ORTHOGONAL -> "orthogonal";
    };
  }

  private static Number wholeIfPossible(double value) {
    if (value == (int) value) {
      return (int) value;
    }
    return value;
  }
}
