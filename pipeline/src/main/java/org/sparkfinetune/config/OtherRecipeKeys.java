package org.sparkfinetune.config;

import static java.util.Map.entry;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.sparkfinetune.config.TrainConfig.Method;
import org.sparkfinetune.config.Values.Given;
import org.sparkfinetune.errors.UserError;

/**
 * Keys of TRL's, PEFT's and transformers' recipes that mean nothing here with the values that
 * recipes mostly have. A value that asks for something else is refused with what to write instead:
 * left out in silence it would train another model, or publish none.
 */
final class OtherRecipeKeys {
  /**
   * @param allowed a regular expression
   * @param instead what to do about other values; empty where all are allowed
   */
  private record Meaning(String allowed, String instead) {
    static final Meaning NONE = new Meaning("(?s).*", "");
  }

  private static final String QUANTIZED = "load_in_4bit";
  private static final String ADAPTED = "use_peft";
  private static final Meaning DTYPE =
      new Meaning("auto|bfloat16|torch.bfloat16", "bf16: false computes in float32");

  private static final Map<String, Meaning> KEYS =
      Map.ofEntries(
          entry("torch_dtype", DTYPE),
          entry("dtype", DTYPE),
          entry("attn_implementation", Meaning.NONE),
          entry(QUANTIZED, new Meaning("true", "write method: lora (or full)")),
          entry(ADAPTED, new Meaning("true", "write method: full")),
          entry("dataset_num_proc", Meaning.NONE),
          entry("dataloader_num_workers", Meaning.NONE),
          entry("do_train", new Meaning("true", "the command evaluate trains nothing")),
          entry("do_eval", new Meaning("true", "write eval_strategy: no")),
          entry("logging_strategy", new Meaning("steps", "logging_steps says how often")),
          entry("log_level", Meaning.NONE),
          entry("overwrite_output_dir", Meaning.NONE),
          entry("push_to_hub", new Meaning("false", "merge --push_to sends what was trained")),
          entry("bias", new Meaning("none", "biases stay as the base model has them")),
          entry("task_type", new Meaning("CAUSAL_LM", "models of text are trained")),
          entry("hub_model_id", Meaning.NONE),
          entry("hub_strategy", Meaning.NONE),
          entry("hub_private_repo", Meaning.NONE));

  private final List<String> found = new ArrayList<>();

  /** The other keys; a value that is not allowed stays, for {@link #refusal} to be told of. */
  List<Given> without(List<Given> given) {
    List<Given> others = new ArrayList<>();
    for (Given one : given) {
      Meaning meaning = KEYS.get(one.spelling());
      if (meaning != null && one.value().json().matches(meaning.allowed())) {
        found.add(one.spelling());
      } else {
        others.add(one);
      }
    }
    return others;
  }

  /** What is wrong with the value of such a key. */
  static Optional<String> refusal(Given given) {
    return Optional.ofNullable(KEYS.get(given.spelling()))
        .map(
            meaning ->
                "%s is %s, which train does not do; %s"
                    .formatted(given.spelling(), given.value(), meaning.instead()));
  }

  /**
   * One line for the user about all of them.
   *
   * @throws UserError if one says something else than {@code method}
   */
  Optional<String> note(Method method) {
    refuse(found.contains(QUANTIZED) && method != Method.QLORA, QUANTIZED, method);
    refuse(found.contains(ADAPTED) && method == Method.FULL, ADAPTED, method);
    return found.isEmpty()
        ? Optional.empty()
        : Optional.of(
            "These keys of other trainers change nothing here: %s."
                .formatted(String.join(", ", found)));
  }

  private static void refuse(boolean contradicts, String key, Method method) {
    if (contradicts) {
      throw new UserError(
          "%s is true, but method is %s; keep one of the two".formatted(key, method.text()));
    }
  }
}
