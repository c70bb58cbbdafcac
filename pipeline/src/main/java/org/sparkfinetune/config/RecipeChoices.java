package org.sparkfinetune.config;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.sparkfinetune.config.TrainConfig.Method;
import org.sparkfinetune.config.Values.Given;

/**
 * Keys of TRL's and transformers' recipes that say what a key of ours says, and are read as that:
 * {@code use_peft} and {@code load_in_4bit} as {@code method}, {@code dtype} as {@code bf16}, and a
 * few more. One that contradicts another is a problem; between file and command line the command
 * line wins.
 */
final class RecipeChoices {
  private static final String QUANTIZED = "load_in_4bit";
  private static final String ADAPTED = "use_peft";
  private static final String METHOD = "method";
  private static final String EVALUATED = "do_eval";
  private static final String OBJECTIVE = "objective";
  private static final String RATE = "learning_rate";
  private static final String[] OF_PREFERENCES = {
    "beta", "rpo_alpha", "loss_weights", "precompute_ref_log_probs", "ref_model_init_kwargs"
  };

  /** Keys whose value alone says what is meant: the value, and what stands for both. */
  private static final Map<String, Map<String, List<String>>> SAME =
      Map.of(
          "torch_dtype",
          Map.of("bfloat16", List.of("bf16", "true")),
          "dtype",
          Map.of("bfloat16", List.of("bf16", "true")),
          EVALUATED,
          Map.of("false", List.of("eval_strategy", "no")),
          "use_cpu",
          Map.of("true", List.of("device", "cpu")),
          "no_cuda",
          Map.of("true", List.of("device", "cpu")),
          "truncation_mode",
          Map.of("keep_start", List.of("overlong", "truncate")),
          "packing_strategy",
          Map.of(
              "bfd_split", List.of("overlong", "split"),
              "bfd-requeue", List.of("overlong", "split")));

  private final List<Given> file;
  private final List<Given> commandLine;
  private final List<String> problems = new ArrayList<>();

  RecipeChoices(List<Given> file, List<Given> commandLine) {
    this.file = new ArrayList<>(file);
    this.commandLine = new ArrayList<>(commandLine);
    method();
    evaluation();
    preference();
    Said said =
        new Said(
            effective("bf16").isPresent(),
            effective("packing_strategy").filter(p -> !text(p).equals("bfd")).isPresent());
    Stream.of(this.file, this.commandLine)
        .forEach(source -> source.replaceAll(given -> read(given, said)));
  }

  /** Keys that are read as others, with some values at least. */
  static Set<String> keys() {
    Set<String> keys = new TreeSet<>(SAME.keySet());
    keys.addAll(List.of(QUANTIZED, ADAPTED));
    return keys;
  }

  /** The file's keys, read as ours. */
  List<Given> file() {
    return file;
  }

  /** The command line's keys, read as ours. */
  List<Given> commandLine() {
    return commandLine;
  }

  List<String> problems() {
    return problems;
  }

  /**
   * What other keys say besides.
   *
   * @param packing whether a strategy says what becomes of samples that are too long
   */
  private record Said(boolean bf16, boolean packing) {}

  private static Given read(Given given, Said said) {
    String text = text(given);
    Optional<String> number =
        Optional.of(text).filter(t -> given.spelling().equals("warmup_steps") && isShare(t));
    if (number.isPresent()) {
      return means(given, "warmup_ratio", number.get());
    }
    boolean isDtype = given.spelling().equals("dtype") || given.spelling().equals("torch_dtype");
    if (isDtype && text.equals("float32") && !said.bf16()) {
      return means(given, "bf16", "false");
    }
    if (given.spelling().equals("truncation_mode") && said.packing()) {
      return given;
    }
    List<String> ours = SAME.getOrDefault(given.spelling(), Map.of()).get(text);
    return ours == null ? given : means(given, ours.get(0), ours.get(1));
  }

  /** Since version 5 of transformers a number of warm-up steps below 1 is a share of all steps. */
  private static boolean isShare(String text) {
    return text.matches("0?\\.\\d*[1-9]\\d*|\\d+(\\.\\d*)?[eE]-\\d+");
  }

  private static Given means(Given given, String key, String value) {
    return new Given(key, YamlNode.ofText(value, given.value().place()), Optional.of(given));
  }

  /** A key alone on the command line is true, as for transformers' parser. */
  private static String text(Given given) {
    boolean isAlone = given.value().items() != null && given.value().items().isEmpty();
    String text = isAlone ? "true" : given.value().json().strip();
    return text.toLowerCase(Locale.ROOT).replace("torch.", "");
  }

  private Optional<Given> effective(String... spellings) {
    return Stream.concat(commandLine.stream(), file.stream())
        .filter(given -> List.of(spellings).contains(given.spelling()))
        .findFirst();
  }

  /** True or false where a key says so. */
  private Optional<Boolean> flag(String key) {
    return effective(key)
        .map(RecipeChoices::text)
        .filter(List.of("true", "false")::contains)
        .map(Boolean::valueOf);
  }

  private void method() {
    Optional<Boolean> quantized = flag(QUANTIZED);
    Optional<Boolean> adapted = flag(ADAPTED);
    if (quantized.isEmpty() && adapted.isEmpty()) {
      return;
    }
    Given flag =
        effective(quantized.isPresent() ? QUANTIZED : ADAPTED)
            .orElseThrow(NoSuchElementException::new);
    Optional<Given> own = effective(METHOD);
    boolean isNewer = isOnCommandLine(QUANTIZED) || isOnCommandLine(ADAPTED);
    if (quantized.equals(Optional.of(true)) && adapted.equals(Optional.of(false))) {
      problems.add(
          "%s: load_in_4bit is true, but use_peft is false, and weights in 4 bits are trained by adapters only; keep one of the two"
              .formatted(flag.value().place()));
    } else if (own.isPresent() && (!isOnCommandLine(METHOD) || isNewer)) {
      boolean isSameSource = isOnCommandLine(METHOD) == isNewer;
      boolean fits = fits(quantized, adapted, text(own.get()));
      if (!fits && isSameSource) {
        contradiction(quantized, adapted, own.get());
      } else if (!fits) {
        choose(quantized, adapted, flag);
      }
    } else if (own.isEmpty()) {
      choose(quantized, adapted, flag);
    }
    Stream.of(file, commandLine)
        .forEach(
            source ->
                source.removeIf(
                    given ->
                        (given.spelling().equals(QUANTIZED) && quantized.isPresent())
                            || (given.spelling().equals(ADAPTED) && adapted.isPresent())));
  }

  private boolean isOnCommandLine(String key) {
    return commandLine.stream().anyMatch(given -> given.spelling().equals(key));
  }

  private static boolean fits(
      Optional<Boolean> quantized, Optional<Boolean> adapted, String method) {
    return Stream.of(Method.values()).noneMatch(m -> m.text().equals(method))
        || (quantized.map(on -> on == method.equals(Method.QLORA.text())).orElse(true)
            && adapted.map(on -> on != method.equals(Method.FULL.text())).orElse(true));
  }

  private void contradiction(Optional<Boolean> quantized, Optional<Boolean> adapted, Given own) {
    boolean byBits = !fits(quantized, Optional.empty(), text(own));
    Given flag = effective(byBits ? QUANTIZED : ADAPTED).orElse(own);
    problems.add(
        "%s: %s is %s, but method is %s at %s; keep one of the two"
            .formatted(
                flag.value().place(),
                flag.spelling(),
                (byBits ? quantized : adapted).orElse(false),
                own.value(),
                own.value().place()));
  }

  private void choose(Optional<Boolean> quantized, Optional<Boolean> adapted, Given flag) {
    if (quantized.equals(Optional.of(false)) && adapted.isEmpty()) {
      problems.add(
          "%s: load_in_4bit is false, which leaves adapters over 16 bits and all weights; write method: lora or method: full"
              .formatted(flag.value().place()));
      return;
    }
    Method method =
        quantized.orElse(false) ? Method.QLORA : adapted.orElse(false) ? Method.LORA : Method.FULL;
    Given origin = quantized.orElse(false) ? flag : effective(ADAPTED).orElse(flag);
    List<Given> target =
        isOnCommandLine(QUANTIZED) || isOnCommandLine(ADAPTED) ? commandLine : file;
    target.add(means(origin, METHOD, method.text()));
  }

  /**
   * A recipe of DPOTrainer does not say what it is for. Its learning rate without one is TRL's:
   * 2e-4, which suits adapters on conversations, would ruin a model.
   */
  private void preference() {
    Optional<Given> objective = effective(OBJECTIVE);
    effective(OF_PREFERENCES)
        .filter(given -> objective.isEmpty())
        .ifPresent(
            given ->
                problems.add(
                    "%s: %s is %s, which belongs to a recipe of DPO, but there is no objective; write objective: dpo to train on preferences, or objective: sft to train on conversations"
                        .formatted(given.value().place(), given.spelling(), given.value())));
    objective
        .filter(given -> text(given).equals("dpo") && effective(RATE).isEmpty())
        .ifPresent(given -> file.add(means(given, RATE, "1e-6")));
  }

  /** {@code do_eval: false} is read as {@code eval_strategy: no}; this is the other direction. */
  private void evaluation() {
    Optional<Given> strategy =
        effective("eval_strategy", "evaluation_strategy").filter(given -> text(given).equals("no"));
    if (flag(EVALUATED).equals(Optional.of(true)) && strategy.isPresent()) {
      problems.add(
          "%s: do_eval is true, but %s is no at %s; keep one of the two"
              .formatted(
                  effective(EVALUATED).orElseThrow().value().place(),
                  strategy.get().spelling(),
                  strategy.get().value().place()));
    }
  }
}
