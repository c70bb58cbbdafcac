package org.sparkfinetune.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.sparkfinetune.config.TrainYaml.REQUIRED;
import static org.sparkfinetune.config.TrainYaml.load;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.sparkfinetune.config.TrainConfig.LrSchedulerType;
import org.sparkfinetune.config.TrainConfig.Optim;
import org.sparkfinetune.config.TrainConfig.Optimization;
import org.sparkfinetune.errors.UserError;

/** What the keys of train refuse, and in which words. */
class TrainConfigRefusalsTest {

  @TempDir Path folder;

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          max_seq_lenght: 3      | unknown key max_seq_lenght; did you mean max_seq_length?
          evaluation_stratgy: no | unknown key evaluation_stratgy; did you mean evaluation_strategy?
          zebra_crossing_now: 1  | unknown key zebra_crossing_now; train --help lists all keys
          learning_rate: fast    | learning_rate is fast; allowed: a number above 0
          learning_rate: 0       | learning_rate is 0; allowed: a number above 0
          learning_rate: NaN     | learning_rate is NaN; allowed: a number above 0
          learning_rate: 1e999   | learning_rate is 1e999; allowed: a number above 0
          learning_rate: [1, 2]  | learning_rate is [1, 2]; allowed: a number above 0
          learning_rate:         | learning_rate is empty; allowed: a number above 0
          lora_r: 0              | lora_r is 0; allowed: a whole number of at least 1
          lora_r: 8.5            | lora_r is 8.5; allowed: a whole number of at least 1
          lora_r: 99999999999    | lora_r is 99999999999; allowed: a whole number of at least 1
          lora_dropout: 1        | lora_dropout is 1; allowed: a number of at least 0 and below 1
          warmup_ratio: 1.5      | warmup_ratio is 1.5; allowed: a number from 0 to 1
          bf16: maybe            | bf16 is maybe; allowed: true, false
          optim: lion_8bit       | optim is lion_8bit; allowed: adamw_torch, adamw_torch_fused, adamw_8bit, adamw_bnb_8bit, paged_adamw_8bit, paged_adamw_32bit
          method: dora           | method is dora; allowed: qlora, lora, full
          fsdp: full_shard wrap  | fsdp is full_shard wrap; allowed: one of full_shard, shard_grad_op,
          fsdp: full_shard no_shard | fsdp is full_shard no_shard; allowed: one of full_shard,
          fsdp_config: fsdp.json | fsdp_config is fsdp.json; allowed: a mapping with the keys backward_prefetch,
          fsdp_config: {backward_prefech: x} | unknown key fsdp_config.backward_prefech; did you mean fsdp_config.backward_prefetch?
          ddp_backend: gloo      | ddp_backend is gloo; allowed: auto, nccl, spark
          report_to: wandb       | report_to is wandb; allowed: none, or one or more of tensorboard, mlflow
          eval_strategy: sometimes | eval_strategy is sometimes; allowed: no, steps, epoch
          max_steps: 0           | max_steps is 0; allowed: a whole number of at least 1, or -1 for no limit
          seed: -1               | seed is -1; allowed: a whole number of at least 0
          model_name_or_path: x  | model_name_or_path is x, but model_id was /models/llama at
          tokenizer: ' '         | tokenizer is " "; allowed: a folder, a Hadoop URI or a hub id
          """)
  void a_bad_value_is_named_with_file_line_and_what_is_allowed(String line, String message) {
    assertThatThrownBy(() -> load(folder, REQUIRED + line))
        .isInstanceOf(UserError.class)
        .hasMessageStartingWith(folder.resolve("train.yaml") + ":4: " + message);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          --lora_rr 3            | command line: unknown key lora_rr; did you mean lora_r?
          --learning_rate x      | command line: learning_rate is x; allowed: a number above 0
          --seed                 | command line: --seed needs a value
          --seed 1 2             | command line: --seed takes one value, not 2 (1 2);
          --seed 1 --seed 2      | command line: seed is 2, but seed was 1 at command line;
          seed 1                 | command line: seed belongs to no key; write --key value
          --fsdp_config.x 1      | command line: unknown key fsdp_config.x; train --help lists all keys
          """)
  void a_bad_argument_is_named_as_such(String arguments, String message) {
    assertThatThrownBy(() -> load(folder, REQUIRED, arguments.split(" ")))
        .isInstanceOf(UserError.class)
        .hasMessageStartingWith(message);
  }

  @Test
  void missing_keys_are_listed_together() {
    assertThatThrownBy(() -> load(folder, "model_id: m"))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("train needs these keys, in the YAML file or on the command line:")
        .hasMessageContaining("\n  --dataset_path  what prepare wrote")
        .hasMessageContaining("\n  --output_dir  ")
        .hasMessageNotContaining("--model_id");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '#',
      textBlock =
          """
          rank_pattern: {q_proj: 0}      # rank_pattern has 0; allowed: whole numbers from 1
          rank_pattern: {q_proj: 2.5}    # rank_pattern has 2.5; allowed: whole numbers from 1
          rank_pattern: q_proj           # rank_pattern is q_proj; allowed: a mapping of names
          alpha_pattern: {q_proj: -1}    # alpha_pattern has -1; allowed: numbers above 0
          layers_to_transform: [1, last] # layers_to_transform has last; allowed: numbers of layers
          layers_to_transform: -1        # layers_to_transform has -1; allowed: numbers of layers
          init_lora_weights: eva         # init_lora_weights is eva; allowed: true, false, gaussian
          init_lora_weights: pissa_niter_0 # allowed: true, false, gaussian
          init_lora_weights: pissa       # method is qlora, which keeps them in NF4
          init_lora_weights: olora       # use method: lora, or another init_lora_weights
          loraplus_lr_ratio: 0.5         # loraplus_lr_ratio is 0.5; allowed: a number of at least 1
          save_embedding_layers: true    # save_embedding_layers is true; allowed: auto, false
          use_dora: 1                    # use_dora is 1; allowed: true, false
          bias: all                      # bias is all, which train does not do
          trainable_token_indices: [a]   # trainable_token_indices is [a]; allowed: ids of tokens from 0
          trainable_token_indices: [1, 1] # allowed: ids of tokens from 0, each once
          trainable_token_indices: {lm_head: [1]} # allowed: ids of tokens from 0, each once
          exclude_modules: [a_proj, b+]  # exclude_modules: in a list each entry is a name
          """)
  void options_of_pefts_that_are_no_such_numbers_or_words(String yaml, String message) {
    assertThatThrownBy(() -> load(folder, REQUIRED + yaml))
        .isInstanceOf(UserError.class)
        .hasMessageContaining(message);
  }

  @ParameterizedTest
  @CsvSource({
    "use_dora: true, lora_bias and use_dora are both true",
    "init_lora_weights: gaussian, lora_bias goes with init_lora_weights: true or false"
  })
  void the_bias_of_b_goes_with_what_peft_has_it_with(String yaml, String message) {
    assertThatThrownBy(() -> load(folder, REQUIRED + "lora_bias: true\n" + yaml))
        .isInstanceOf(UserError.class)
        .hasMessageContaining(message);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '#',
      textBlock =
          """
          {use_dora: true}                                # which PEFT cannot do with use_dora
          {use_rslora: true, rank_pattern: {q_proj: 3}}   # where rank_pattern or alpha_pattern is
          {lora_bias: true}                               # lora_bias goes with init_lora_weights
          """)
  void parts_of_the_base_go_with_what_peft_can_write(String more, String message) {
    String yaml = more.substring(1, more.length() - 1).replace(", rank", "\nrank");
    assertThatThrownBy(
            () ->
                load(folder, REQUIRED + "method: lora\ninit_lora_weights: pissa_niter_4\n" + yaml))
        .isInstanceOf(UserError.class)
        .hasMessageContaining(message);
  }

  /** As recipes write them that use neither. */
  @ParameterizedTest
  @ValueSource(strings = {"[]", "{embed_tokens: []}"})
  void no_tokens_are_none(String none) throws Exception {
    String yaml = "use_dora: false\nlora_bias: false\ntrainable_token_indices: " + none;
    LoraOptions options = load(folder, REQUIRED + yaml).config().lora().options();
    assertThat(options.trainableTokenIndices().map(LoraOptions.TokenIndices::ids).orElse(List.of()))
        .isEmpty();
  }

  @Test
  void orthogonal_beginnings_need_even_ranks() {
    assertThatThrownBy(
            () ->
                load(folder, REQUIRED + "init_lora_weights: orthogonal\nrank_pattern: {q_proj: 3}"))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("orthogonal needs even ranks (as in PEFT), but one is 3");
  }

  @Test
  void the_records_refuse_what_the_file_could_not_say() {
    assertThatThrownBy(() -> new LoraConfig(0, 8, 0, List.of("all-linear"), false, List.of()))
        .isInstanceOf(UserError.class)
        .hasMessage("lora_r is 0; allowed: a whole number of at least 1");
    assertThatThrownBy(
            () ->
                new Optimization(
                    Double.NaN,
                    LrSchedulerType.LINEAR,
                    Optional.empty(),
                    0,
                    0,
                    0,
                    0.9,
                    0.999,
                    1e-8,
                    0,
                    Optional.empty(),
                    Optim.ADAMW_TORCH))
        .isInstanceOf(UserError.class)
        .hasMessage("learning_rate is NaN; allowed: a number above 0");
    assertThatThrownBy(() -> load(folder, REQUIRED + "method: full\nadapter: a"))
        .isInstanceOf(UserError.class)
        .hasMessageStartingWith("adapter is a, but method is full");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          lr_scheduler_kwargs: {num_cycles: 2} | constant takes no num_cycles; it takes nothing
          lr_scheduler_type: cosine_with_min_lr | needs min_lr, a rate, or min_lr_rate
          lr_scheduler_type: cosine_with_min_lr; lr_scheduler_kwargs: {min_lr: 1, min_lr_rate: 1} | and not both
          lr_scheduler_type: warmup_stable_decay | needs num_decay_steps
          lr_scheduler_type: polynomial; lr_scheduler_kwargs: {lr_end: 1} | lr_end is 1.0, which is not below learning_rate, 2.0E-4
          lr_scheduler_type: polynomial; lr_scheduler_kwargs: {power: big} | power is big; allowed is a number of at least 0
          lr_scheduler_type: warmup_stable_decay; lr_scheduler_kwargs: {num_decay_steps: 1, decay_type: exp} | allowed is linear, cosine, 1-sqrt
          load_best_model_at_end: true; eval_strategy: no | load_best_model_at_end needs evaluations, but eval_strategy is no
          early_stopping_patience: 2; eval_strategy: no | early_stopping_patience needs evaluations
          ddp_backend: nccl; device: cpu | ddp_backend is nccl, which is for GPUs, but device is cpu
          early_stopping_patience: 0 | early_stopping_patience
          adam_beta1: 1 | adam_beta1
          """)
  void what_steers_a_run_has_to_make_sense(String keys, String message) {
    assertThatThrownBy(() -> load(folder, REQUIRED + keys.replace("; ", "\n") + "\n"))
        .isInstanceOf(UserError.class)
        .hasMessageContaining(message);
  }

  @Test
  void all_problems_come_in_one_message() {
    String file = folder.resolve("train.yaml").toString();
    assertThatThrownBy(
            () ->
                load(
                    folder,
                    """
                    model_id: m
                    lora_r: 0
                    max_seq_lenght: 3
                    fsdp_config:
                      backward_prefetch: maybe
                    """,
                    "--seed",
                    "x",
                    "--output_dir",
                    "o"))
        .isInstanceOf(UserError.class)
        .hasMessage(
            String.join(
                "\n",
                file + ":2: lora_r is 0; allowed: a whole number of at least 1",
                file + ":3: unknown key max_seq_lenght; did you mean max_seq_length?",
                file
                    + ":5: fsdp_config.backward_prefetch is maybe; allowed: backward_pre,"
                    + " backward_post, no_prefetch",
                "command line: seed is x; allowed: a whole number of at least 0",
                "train needs these keys, in the YAML file or on the command line:",
                "  --dataset_path  what prepare wrote, or a folder with the two JSON files"));
  }

  @Test
  void a_bad_value_is_not_called_missing_too() {
    assertThatThrownBy(() -> load(folder, "model_id: m\ndataset_path: ' '\noutput_dir: o"))
        .isInstanceOf(UserError.class)
        .hasMessage(
            folder.resolve("train.yaml")
                + ":2: dataset_path is \" \"; allowed: a path or a Hadoop URI");
  }
}
