package org.sparkfinetune.config;

import com.fasterxml.jackson.annotation.JsonProperty;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.function.Function;
import org.sparkfinetune.config.Key.Meaning;
import org.sparkfinetune.errors.UserError;

/** What of PEFT's options differs by layer, and how adapters begin and learn. */
public record LoraOptions(
    @Key(
            allowed = "a mapping of names or patterns to whole numbers of at least 1",
            doc = "other ranks, by pattern over the last parts of names")
        Optional<Map<String, String>> rankPattern,
    @Key(
            allowed = "a mapping of names or patterns to numbers above 0",
            doc = "other alphas, likewise")
        Optional<Map<String, String>> alphaPattern,
    @Key(
            otherwise = Key.EMPTY,
            meaning = Meaning.WORDS,
            allowed = "numbers of layers, the first is 0",
            doc = "layers with an adapter; without it all")
        List<String> layersToTransform,
    @Key(
            otherwise = Key.EMPTY,
            meaning = Meaning.WORDS,
            allowed = "what stands before a layer's number in names, such as layers",
            doc = "where layers_to_transform finds the number")
        List<String> layersPattern,
    @Key(
            otherwise = Key.EMPTY,
            meaning = Meaning.MODULES,
            allowed = "names of linear layers, or one regular expression over whole names",
            doc = "layers without an adapter")
        List<String> excludeModules,
    @Key(
            otherwise = "true",
            doc =
                "first values of adapters; true: A uniform and B zero, false: both uniform, pissa and"
                    + " olora: parts of the base weights")
        InitialWeights initLoraWeights,
    @Key(otherwise = "false", doc = "B has a bias, which is trained") boolean loraBias,
    @Key(otherwise = "false", doc = "DoRA: lengths of the rows of W + scaling B A are trained too")
        boolean useDora,
    @Key(doc = "tokens whose embeddings are trained beside the adapters")
        Optional<TokenIndices> trainableTokenIndices,
    @Key(
            range = "[1,)",
            doc = "LoRA+: B learns so many times faster than A; weight_decay is as set")
        Optional<Double> loraplusLrRatio) {

  /** Its keys, in order. */
  public static final List<String> KEYS =
      List.of(
          "rank_pattern",
          "alpha_pattern",
          "layers_to_transform",
          "layers_pattern",
          "exclude_modules",
          "init_lora_weights",
          "lora_bias",
          "use_dora",
          "trainable_token_indices",
          "loraplus_lr_ratio");

  /** PEFT's defaults. */
  public static final LoraOptions NONE =
      new LoraOptions(
          Optional.empty(),
          Optional.empty(),
          List.of(),
          List.of(),
          List.of(),
          InitialWeights.of(InitLoraWeights.TRUE),
          false,
          false,
          Optional.empty(),
          Optional.empty());

  public LoraOptions {
    KeyTable.check(
        LoraOptions.class,
        rankPattern,
        alphaPattern,
        layersToTransform,
        layersPattern,
        excludeModules,
        initLoraWeights,
        loraBias,
        useDora,
        trainableTokenIndices,
        loraplusLrRatio);
    layersToTransform = List.copyOf(layersToTransform);
    layersPattern = List.copyOf(layersPattern);
    excludeModules = List.copyOf(excludeModules);
    Problems problems = new Problems();
    List<String> excluded = excludeModules;
    problems.addFrom(() -> LoraConfig.requireOneExpression("exclude_modules", excluded));
    for (String layer : layersToTransform) {
      problems.addFrom(
          () ->
              require(
                  layer.matches("\\d{1,6}"),
                  "layers_to_transform",
                  layer,
                  "numbers of layers from 0"));
    }
    problems.addFrom(() -> ranks(rankPattern));
    problems.addFrom(() -> alphas(alphaPattern));
    problems.addFrom(() -> requireBiasAlone(loraBias, useDora, initLoraWeights.how()));
    problems.addIf(
        initLoraWeights.how().ofBase() && useDora,
        () ->
            "init_lora_weights: %s is written as an adapter over the untouched model, which PEFT cannot do with use_dora; leave one of the two out"
                .formatted(initLoraWeights.text()));
    problems.refuse();
  }

  private static void requireBiasAlone(boolean bias, boolean dora, InitLoraWeights init) {
    if (bias && dora) {
      throw new UserError(
          "lora_bias and use_dora are both true, which PEFT refuses; leave one of them out");
    }
    if (bias && init != InitLoraWeights.TRUE && init != InitLoraWeights.FALSE) {
      throw new UserError(
          "lora_bias goes with init_lora_weights: true or false (as in PEFT), not with %s"
              .formatted(init.name().toLowerCase(Locale.ROOT)));
    }
  }

  /** Ranks by pattern. */
  public Map<String, Integer> ranks() {
    return ranks(rankPattern);
  }

  /** Alphas by pattern. */
  public Map<String, Double> alphas() {
    return alphas(alphaPattern);
  }

  private static Map<String, Integer> ranks(Optional<Map<String, String>> pattern) {
    return numbers(
        pattern,
        text -> {
          require(text.matches("[1-9]\\d{0,6}"), "rank_pattern", text, "whole numbers from 1");
          return Integer.valueOf(text);
        });
  }

  private static Map<String, Double> alphas(Optional<Map<String, String>> pattern) {
    return numbers(
        pattern,
        text -> {
          boolean number = text.matches("\\d+(\\.\\d*)?([eE][-+]?\\d+)?");
          require(number && Double.parseDouble(text) > 0, "alpha_pattern", text, "numbers above 0");
          return Double.valueOf(text);
        });
  }

  private static <T> Map<String, T> numbers(
      Optional<Map<String, String>> pattern, Function<String, T> number) {
    Map<String, T> numbers = new LinkedHashMap<>();
    pattern.orElse(Map.of()).forEach((name, text) -> numbers.put(name, number.apply(text)));
    return numbers;
  }

  private static void require(boolean right, String key, String value, String allowed) {
    if (!right) {
      throw new UserError("%s has %s; allowed: %s".formatted(key, value, allowed));
    }
  }

  /** Ids of tokens, in the order that an adapter's file has them in. */
  public record TokenIndices(List<Integer> ids) {
    static final String ALLOWED = "ids of tokens from 0, each once, or such a list by embed_tokens";

    public TokenIndices {
      ids = List.copyOf(ids);
    }

    static Optional<TokenIndices> of(List<String> ids) {
      boolean whole = ids.stream().allMatch(id -> id.matches("\\d{1,9}"));
      return whole
          ? Optional.of(new TokenIndices(ids.stream().map(Integer::valueOf).toList()))
          : Optional.empty();
    }

    boolean isPossible() {
      return ids.size() == Set.copyOf(ids).size();
    }
  }

  /**
   * How adapters begin.
   *
   * @param iterations of the randomised decomposition that finds PiSSA's parts; without it they are
   *     found exactly
   */
  public record InitialWeights(InitLoraWeights how, OptionalInt iterations) {
    private static final String PREFIX = "pissa_niter_";
    static final String ALLOWED =
        "true, false, gaussian, orthogonal, olora, pissa, or pissa_niter_N with N from 1";

    public static InitialWeights of(InitLoraWeights how) {
      return new InitialWeights(how, OptionalInt.empty());
    }

    static Optional<InitialWeights> of(String text) {
      String word = text.strip().toLowerCase(Locale.ROOT);
      if (word.matches(PREFIX + "[1-9]\\d{0,5}")) {
        int iterations = Integer.parseInt(word.substring(PREFIX.length()));
        return Optional.of(new InitialWeights(InitLoraWeights.PISSA, OptionalInt.of(iterations)));
      }
      return Arrays.stream(InitLoraWeights.values())
          .filter(how -> how.text().equals(word))
          .map(InitialWeights::of)
          .findFirst();
    }

    String text() {
      return iterations.isPresent() ? PREFIX + iterations.getAsInt() : how.text();
    }
  }

  /** PEFT's words; its others (eva, loftq, corda, lora_ga, mica) need data or another training. */
  public enum InitLoraWeights implements KeyTable.Choice {
    @JsonProperty("true")
    TRUE,
    @JsonProperty("false")
    FALSE,
    GAUSSIAN,
    ORTHOGONAL,
    PISSA,
    OLORA;

    /** Whether adapters begin as parts of the base weights, which are less by them. */
    public boolean ofBase() {
      return this == PISSA || this == OLORA;
    }
  }
}
