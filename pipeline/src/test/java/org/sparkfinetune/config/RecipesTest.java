package org.sparkfinetune.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.sparkfinetune.config.TrainYaml.REQUIRED;
import static org.sparkfinetune.config.TrainYaml.load;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.sparkfinetune.config.ConfigLoader.Loaded;
import org.sparkfinetune.config.TrainConfig.DeviceChoice;
import org.sparkfinetune.config.TrainConfig.IntervalStrategy;
import org.sparkfinetune.config.TrainConfig.Method;
import org.sparkfinetune.config.TrainConfig.Optim;
import org.sparkfinetune.errors.UserError;

/** Recipes of TRL's and transformers' users: what is taken, what means nothing, what is refused. */
class RecipesTest {
  private static final Path RECIPES = Path.of("src/test/resources/recipes");

  @TempDir Path folder;

  /**
   * {@code recipes/*.yaml}: keys and values as public recipes have them. All that is refused is
   * told at once; without it the recipe loads.
   */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          openr1-distill-7b        | 24 | 10 | dataset_config dataset_name push_to_hub report_to       | qlora
          openr1-qwen2.5-1.5b-demo | 24 |  9 | dataset_name push_to_hub report_to                      | qlora
          qlora-4bit-paper         | 21 | 10 | dataset_name group_by_length                            | qlora
          smollm2-sft              | 21 | 11 | dataset_configs dataset_mixer dataset_splits push_to_hub | qlora
          smollm3-sft              | 27 | 15 | dataset_mixture packing_strategy push_to_hub report_to  | qlora
          starchat2-15b-sft        | 20 |  7 | dataset_mixer dataset_splits push_to_hub report_to      | qlora
          trl-sft-full             | 20 |  2 | dataset_name                                            | full
          trl-sft-peft             | 12 |  2 | dataset_name                                            | lora
          zephyr-7b-gemma-sft-full | 20 | 10 | dataset_mixer dataset_splits push_to_hub report_to      | qlora
          zephyr-7b-sft-full       | 22 | 10 | dataset_mixer dataset_splits push_to_hub                | qlora
          zephyr-7b-sft-qlora      | 29 |  9 | dataset_mixer dataset_splits push_to_hub                | qlora
          """)
  void public_recipes_load_but_for_what_is_refused_by_name(
      String name, int taken, int noted, String refused, String method) throws IOException {
    List<String> lines = Files.readAllLines(RECIPES.resolve(name + ".yaml"));
    Set<String> told = new TreeSet<>();
    List<String> arguments = List.of("--dataset_path", "prepared");
    assertThatThrownBy(
            () -> load(folder, String.join("\n", lines), arguments.toArray(String[]::new)))
        .isInstanceOf(UserError.class)
        .satisfies(
            e ->
                e.getMessage()
                    .lines()
                    .forEach(line -> told.add(line.replaceAll("^\\S+:\\d+: (\\w+) is .*", "$1"))));
    assertThat(told).containsExactlyElementsOf(new TreeSet<>(Set.of(refused.split(" "))));
    List<String> kept = without(lines, told);
    Loaded<TrainConfig> loaded =
        load(folder, String.join("\n", kept), arguments.toArray(String[]::new));
    assertThat(loaded.config().method().text()).isEqualTo(method);
    long all = kept.stream().filter(line -> line.matches("\\w+:.*")).count();
    long notes = loaded.notes().stream().filter(n -> n.contains(" changes nothing")).count();
    assertThat(List.of(all - notes, notes)).containsExactly((long) taken, (long) noted);
  }

  /** {@code recipes/zephyr-7b-dpo-qlora.yaml}, as it was written for TRL's DPOTrainer. */
  @Test
  void a_recipe_of_dpo_loads_once_the_objective_is_named() throws IOException {
    String recipe = Files.readString(RECIPES.resolve("zephyr-7b-dpo-qlora.yaml"));
    assertThatThrownBy(() -> load(folder, recipe, "--dataset_path", "prepared"))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("beta is 0.01, which belongs to a recipe of DPO")
        .hasMessageContaining("write objective: dpo");
    String[] named = {"--dataset_path", "prepared", "--objective", "dpo"};
    assertThatThrownBy(() -> load(folder, recipe, named))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("max_prompt_length is 512, which train does not do; max_seq_length")
        .hasMessageContaining("dataset_mixer is")
        .hasMessageNotContaining("beta");
    List<String> kept =
        without(
            recipe.lines().toList(),
            Set.of("max_prompt_length", "dataset_mixer", "dataset_splits"));
    String dropout = String.join("\n", kept).replace("lora_dropout: 0.05", "lora_dropout: 0.1");
    Loaded<TrainConfig> loaded = load(folder, dropout, named);
    TrainConfig config = loaded.config();
    assertThat(config.data().isPreference()).isTrue();
    assertThat(config.preference().beta()).isEqualTo(0.01);
    assertThat(config.optimization().learningRate()).isEqualTo(5e-6);
    assertThat(config.dropout(0.1)).isZero();
    assertThat(loaded.notes())
        .contains(
            "lora_dropout is not used with objective: dpo, as in TRL; disable_dropout: false uses it.");
  }

  @Test
  void dpo_has_the_learning_rate_of_trl_unless_one_is_given() {
    Loaded<TrainConfig> loaded = load(folder, REQUIRED + "objective: dpo\n");
    assertThat(loaded.config().optimization().learningRate()).isEqualTo(1e-6);
    assertThat(loaded.notes())
        .containsExactly("learning_rate is 1e-6, TRL's for DPO, because objective is dpo.");
    assertThat(
            load(folder, REQUIRED, "--objective", "dpo", "--learning_rate", "3e-5")
                .config()
                .optimization()
                .learningRate())
        .isEqualTo(3e-5);
  }

  private static List<String> without(List<String> lines, Set<String> keys) {
    List<String> kept = new ArrayList<>();
    boolean isLeftOut = false;
    for (String line : lines) {
      boolean begins = line.matches("\\w+:.*");
      isLeftOut = begins ? keys.contains(line.substring(0, line.indexOf(':'))) : isLeftOut;
      if (!isLeftOut) {
        kept.add(line);
      }
    }
    return kept;
  }

  /** {@code recipes/fields.txt}: the fields of transformers 5.24.0's and TRL 1.16.0's classes. */
  @Test
  void every_field_of_transformers_and_trl_is_taken_noted_or_refused_with_a_reason()
      throws IOException {
    int fields = 0;
    for (String field : Files.readAllLines(RECIPES.resolve("fields.txt"))) {
      if (field.startsWith("#")) {
        continue;
      }
      fields++;
      boolean isOurs =
          KeyTable.TRAIN.find(field).isPresent()
              || KeyTable.TRAIN.isGroup(field)
              || RecipeChoices.keys().contains(field);
      assertThat(isOurs || OtherRecipeKeys.keys().contains(field)).as(field).isTrue();
    }
    assertThat(fields).isEqualTo(181);
    // With values that they are not read with.
    assertThat(OtherRecipeKeys.keys()).containsAll(RecipeChoices.keys());
    assertThat(OtherRecipeKeys.keys()).noneMatch(key -> KeyTable.TRAIN.find(key).isPresent());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          adamw_torch       | ADAMW_TORCH |
          adamw_torch_fused | ADAMW_TORCH | optim: adamw_torch_fused is adamw_torch; its operators are the same always.
          paged_adamw_32bit | ADAMW_TORCH | optim: paged_adamw_32bit is adamw_torch; no state is paged, and each rank holds its share.
          adamw_8bit        | ADAMW_8BIT  |
          adamw_bnb_8bit    | ADAMW_8BIT  |
          paged_adamw_8bit  | ADAMW_8BIT  | optim: paged_adamw_8bit is adamw_8bit; no state is paged, and each rank holds its share.
          """)
  void transformers_names_of_adamw_are_one_of_two(String name, Optim plain, String note) {
    Loaded<TrainConfig> loaded = load(folder, REQUIRED + "optim: " + name);
    assertThat(loaded.config().optimization().optim().plain()).isEqualTo(plain);
    assertThat(loaded.notes().stream().filter(line -> line.startsWith("optim")).toList())
        .isEqualTo(note == null ? List.of() : List.of(note));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          use_peft: true; load_in_4bit: true  |                     | QLORA
          use_peft: true                      |                     | LORA
          use_peft: true; load_in_4bit: false |                     | LORA
          use_peft: false                     |                     | FULL
          load_in_4bit: true                  |                     | QLORA
          use_peft: true; method: qlora       |                     | QLORA
          load_in_4bit: false; method: lora   |                     | LORA
          load_in_4bit: true                  | --use_peft          | QLORA
          load_in_4bit: true                  | --method lora       | LORA
          method: full                        | --use_peft          | LORA
          method: qlora                       | --use_peft false    | FULL
          lora_r: 8                           | --use_peft true --load_in_4bit | QLORA
          """)
  void use_peft_and_load_in_4bit_choose_the_method(String yaml, String words, Method method) {
    String[] arguments = words == null ? new String[0] : words.split(" ");
    assertThat(load(folder, REQUIRED + yaml.replace("; ", "\n"), arguments).config().method())
        .isEqualTo(method);
  }

  @Test
  void other_keys_that_say_what_ours_say_are_read_as_ours() {
    TrainConfig config =
        load(
                folder,
                REQUIRED
                    + """
                    dtype: float32
                    do_eval: false
                    use_cpu: true
                    truncation_mode: keep_start
                    warmup_steps: 0.03
                    activation_checkpointing: false
                    activation_offloading: true
                    lora_modules_to_save: [lm_head]
                    tokenizer_name_or_path: other/tokenizer
                    """)
            .config();
    assertThat(config.compute().bf16()).isFalse();
    assertThat(config.compute().device()).isEqualTo(DeviceChoice.CPU);
    assertThat(config.reporting().evalStrategy()).isEqualTo(IntervalStrategy.NO);
    assertThat(config.data().overlong()).isEqualTo(TrainingData.Overlong.TRUNCATE);
    assertThat(config.optimization().warmupRatio()).isEqualTo(0.03);
    assertThat(config.optimization().warmupSteps()).isZero();
    assertThat(config.compute().gradientCheckpointing())
        .isEqualTo(TrainConfig.GradientCheckpointing.OFF);
    assertThat(config.parallelism().activationOffload()).isTrue();
    assertThat(config.lora().modulesToSave()).containsExactly("lm_head");
    assertThat(config.model().tokenizer()).contains("other/tokenizer");
    assertThat(load(folder, REQUIRED + "dtype: float32\nbf16: true").config().compute().bf16())
        .isTrue();
    assertThat(
            load(folder, REQUIRED + "torch_dtype: bfloat16", "--bf16", "false")
                .config()
                .compute()
                .bf16())
        .isFalse();
    assertThat(
            load(folder, REQUIRED + "packing_strategy: bfd_split\ntruncation_mode: keep_start")
                .config()
                .data()
                .overlong())
        .isEqualTo(TrainingData.Overlong.SPLIT);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          load_in_4bit: true; use_peft: false   | load_in_4bit is true, but use_peft is false, and weights in 4 bits are trained by adapters only; keep one of the two
          load_in_4bit: false                   | load_in_4bit is false, which leaves adapters over 16 bits and all weights; write method: lora or method: full
          load_in_4bit: true; method: lora      | load_in_4bit is true, but method is lora at
          use_peft: true; method: full          | use_peft is true, but method is full at
          use_peft: false; method: qlora        | use_peft is false, but method is qlora at
          torch_dtype: bfloat16; bf16: false    | bf16 is false, but torch_dtype was bfloat16 at
          torch_dtype: float16                  | torch_dtype is float16, which train does not do; bf16: true
          dtype: bfloat16; torch_dtype: float32 | torch_dtype is float32, but dtype was bfloat16 at
          do_eval: false; eval_strategy: steps  | eval_strategy is steps, but do_eval was false at
          do_eval: true; eval_strategy: no      | do_eval is true, but eval_strategy is no at
          logging_strategy: no                  | logging_strategy is no, which train does not do; logging_steps
          push_to_hub: true                     | push_to_hub is true, which train does not do; merge --push_to sends what was trained
          deepspeed: zero3.json                 | deepspeed is zero3.json, which train does not do; fsdp and num_ranks
          dataset_name: owner/name              | dataset_name is owner/name, which train does not do; write dataset_path; prepare makes one
          load_in_8bit: true                    | load_in_8bit is true, which train does not do; use load_in_4bit: true, or method: lora
          use_peft: maybe                       | use_peft is maybe, which train does not do; write true or false, or method: qlora, lora or full
          use_cpu: maybe                        | use_cpu is maybe, which train does not do; write true or false
          fp16: true                            | fp16 is true, which train does not do; write bf16: true
          packing_strategy: wrapped             | packing_strategy is wrapped, which train does not do
          group_by_length: true                 | group_by_length is true, which train does not do
          warmup_steps: 1.5                     | warmup_steps is 1.5; allowed: a whole number
          """)
  void what_contradicts_or_asks_for_something_else_is_refused(String yaml, String message) {
    assertThatThrownBy(() -> load(folder, REQUIRED + yaml.replace("; ", "\n")))
        .isInstanceOf(UserError.class)
        .hasMessageStartingWith(folder.resolve("train.yaml") + ":")
        .hasMessageContaining(": " + message);
  }

  @Test
  void empty_values_of_others_are_taken_and_tokens_of_a_hub_are_not_repeated() {
    Loaded<TrainConfig> loaded =
        load(
            folder,
            REQUIRED + "use_peft: true\nuse_cpu: false\ndeepspeed:\nhub_token: hf_secret\n");
    assertThat(loaded.notes())
        .containsExactly(
            "use_cpu changes nothing; device says where to compute.",
            "deepspeed changes nothing.",
            "hub_token changes nothing; train does not upload; merge --push_to does.");
  }

  @Test
  void a_recipe_that_says_no_method_is_told_which_it_gets() {
    assertThat(load(folder, REQUIRED + "attn_implementation: sdpa").notes())
        .containsExactly(
            "attn_implementation changes nothing; there is one attention, with the results of all of them.",
            "method is qlora, because the recipe says neither use_peft nor load_in_4bit; method: full trains all weights.");
    assertThat(load(folder, REQUIRED).notes()).isEmpty();
  }

  @Test
  void problems_of_each_value_and_of_values_together_come_at_once() {
    assertThatThrownBy(
            () ->
                load(
                    folder,
                    """
                    model_id: m
                    seed: -1
                    lora_bias: true
                    use_dora: true
                    eval_strategy: no
                    load_best_model_at_end: true
                    lr_scheduler_type: warmup_stable_decay
                    lr_scheduler_kwargs: {decay_type: exp}
                    load_in_4bit: true
                    method: full
                    push_to_hub: true
                    """))
        .isInstanceOf(UserError.class)
        .message()
        .satisfies(
            message ->
                assertThat(message.lines().map(RecipesTest::beginning))
                    .containsExactly(
                        "load_in_4bit is true,",
                        "seed is -1;",
                        "push_to_hub is true,",
                        "train needs these",
                        "--dataset_path what prepare",
                        "--output_dir the run",
                        "lora_bias and use_dora",
                        "lr_scheduler_kwargs.decay_type is exp;",
                        "lr_scheduler_kwargs: warmup_stable_decay needs",
                        "load_best_model_at_end needs evaluations,"));
  }

  /** Three words behind the place. */
  private static String beginning(String line) {
    String[] words = line.strip().replaceFirst("^\\S+:\\d+: ", "").split("\\s+");
    return String.join(" ", List.of(words).subList(0, 3));
  }

  /** A value that could not be read has no part in what is wrong with values together. */
  @Test
  void what_follows_from_a_bad_value_is_not_told() {
    assertThatThrownBy(() -> load(folder, REQUIRED + "method: lroa\ninit_lora_weights: pissa\n"))
        .hasMessage(
            folder.resolve("train.yaml") + ":4: method is lroa; allowed: qlora, lora, full");
  }
}
