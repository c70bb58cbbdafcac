package org.sparkfinetune.config;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Predicate;
import java.util.regex.Pattern;
import org.sparkfinetune.config.Values.Given;
import org.sparkfinetune.errors.Bug;

/**
 * Keys of TRL's, PEFT's and transformers' recipes that mean nothing here, or nothing with the
 * values that recipes mostly have. A value that asks for something else is refused with what to
 * write instead: left out in silence it would train another model, or publish none. An empty value
 * is always taken. Among them is every field of TrainingArguments, SFTConfig, DPOConfig and
 * ModelConfig (transformers 5.24, TRL 1.16) that is no key of {@code train}.
 */
final class OtherRecipeKeys implements Values.OtherKeys {
  /** Keys; the values that change nothing, an expression; why they do; what about others. */
  private static final String TABLE =
      """
      torch_dtype dtype | auto|float32 | bf16 says what is computed in, and trained weights are float32 | bf16: true computes in bfloat16 and bf16: false in float32
      fp16 fp16_full_eval half_precision | false | there is no float16 | write bf16: true
      bf16_full_eval | .* | evaluations compute as training does |
      fp16_opt_level fp16_backend half_precision_backend use_ipex jit_mode_eval | .* | libtorch's own operators compute |
      attn_implementation use_flash_attention_2 | .* | there is one attention, with the results of all of them |
      use_liger_kernel use_liger liger_kernel_config torch_compile torch_compile_backend torch_compile_mode torchdynamo | .* | it is about speed, and the operators are the same always |
      torch_empty_cache_steps | .* | memory is given back at the end of each step |
      use_cache | .* | training keeps no keys and values |
      use_peft load_in_4bit | | method says what is trained | write true or false, or method: qlora, lora or full
      use_cpu no_cuda | false | device says where to compute | write true or false, or device: cpu or cuda
      load_in_8bit | false | weights are frozen in 4 or 16 bits | use load_in_4bit: true, or method: lora
      bnb_4bit_quant_type | nf4 | 4 bits are NF4 | NF4 is the only type of 4 bits
      use_bnb_nested_quant bnb_4bit_use_double_quant | true | NF4 always has double quantization | leave it out: NF4 always has double quantization
      bnb_4bit_quant_storage bnb_4bit_compute_dtype | .* | bf16 says what is computed in |
      lora_task_type task_type | CAUSAL_LM | models of text are trained | models of text are trained (CAUSAL_LM)
      bias lora_bias_type | none | biases stay as the base model has them | biases stay as the base model has them; lora_bias: true trains one of B
      lora_target_parameters | \\[\\] | | lora_target_modules names linears, those of experts too
      model_init_kwargs | \\{\\} | | the keys of train say how a model is read
      trust_remote_code | .* | code that comes with a model is never run |
      do_train | true | train trains | the command evaluate trains nothing
      do_eval | true | eval_strategy says when | write eval_strategy: no
      do_predict | false | | use the command generate
      eval_do_concat_batches eval_use_gather_object eval_accumulation_steps batch_eval_metrics include_for_metrics include_inputs_for_metrics prediction_loss_only label_names | .* | an evaluation adds up losses and keeps no predictions |
      eval_packing | .* | test rows are packed as training rows are, which leaves the loss as it is |
      completion_only_loss | false | assistant_only_loss says what is trained | assistant_only_loss: true trains on what the assistant said
      average_tokens_across_devices | true | a step's loss is divided by the trained tokens of all ranks | a step's loss is divided by the trained tokens of all ranks
      packing_strategy | bfd | samples are packed whole | use bfd or bfd_split; samples are not cut to fill rows
      truncation_mode | keep_start | packing_strategy says what becomes of what is too long | overlong says what becomes of samples that are too long
      padding_free pad_to_multiple_of | .* | padding is left out of what is computed |
      dataset_text_field dataset_kwargs shuffle_dataset remove_unused_columns length_column_name | .* | prepare makes conversations of rows, and every epoch has an order of its own |
      group_by_length | false | | every epoch has a random order; packing: true leaves no padding
      train_sampling_strategy | random | every epoch has a random order | every epoch has a random order
      eos_token pad_token | .* | special tokens are those of the chat template and the tokenizer |
      chat_template_path | | | write chat_template: a Jinja file, or tokenizer:NAME
      dataset_num_proc preprocessing_num_workers dataset_batch_size num_of_sequences | .* | Spark's cores prepare data |
      dataloader_num_workers dataloader_pin_memory dataloader_persistent_workers dataloader_prefetch_factor dataloader_multiprocessing_context dataloader_in_order | .* | packed rows are mapped, not loaded by processes |
      dataloader_drop_last | false | no row is dropped | no row is dropped: the last step of an epoch has what is left
      data_seed | .* | orders follow seed too |
      full_determinism | .* | the same run gives the same bits, unless deterministic is false |
      ignore_data_skip | false | a run that goes on continues with its next rows | a run that goes on continues with its next rows
      restore_callback_states_from_checkpoint | .* | checkpoints hold the state of early stopping |
      auto_find_batch_size | false | | check says what fits into memory
      optim_args optim_target_modules | | | adam_beta1, adam_beta2, adam_epsilon and weight_decay are AdamW's numbers
      deepspeed parallelism_config | | | fsdp and num_ranks say how a model is spread over ranks
      accelerator_config | .* | Spark starts ranks and gives them rows |
      ddp_find_unused_parameters ddp_bucket_cap_mb ddp_broadcast_buffers ddp_static_graph ddp_timeout local_rank tpu_num_cores tpu_metrics_debug mp_parameters ray_scope use_mps_device | .* | Spark starts ranks, and gradients go to their owners |
      fsdp_min_num_params fsdp_transformer_layer_cls_to_wrap fsdp_config.min_num_params fsdp_config.transformer_layer_cls_to_wrap fsdp_config.limit_all_gathers fsdp_config.sync_module_states fsdp_config.cpu_ram_efficient_loading fsdp_config.version fsdp_config.state_dict_type fsdp_config.activation_checkpointing fsdp_config.xla | .* | a decoder layer is the unit of sharding, and a rank reads only its share |
      enable_jit_checkpoint | .* | a run that is stopped always saves first |
      save_on_each_node save_safetensors | .* | checkpoints lie in output_dir once |
      logging_strategy | steps | logging_steps says how often | logging_steps says how often
      log_level log_level_replica log_on_each_node disable_tqdm debug skip_memory_metrics | .* | log4j2 says what is logged |
      logging_nan_inf_filter | .* | a loss that is no number stops the run |
      logging_dir | .* | TensorBoard's files are in output_dir/tensorboard |
      include_num_input_tokens_seen include_tokens_per_second | .* | tokens are counted always |
      run_name project trackio_space_id trackio_bucket_id trackio_static_space_id wandb_entity wandb_project | .* | a run is called by its output_dir |
      callbacks benchmarks past_index | \\[\\]|-1 | | train runs no code of others; evaluate and generate judge a model
      overwrite_output_dir | .* | resume_from_checkpoint says whether a run goes on or begins |
      push_to_hub push_to_hub_revision | false | nothing is sent | merge --push_to sends what was trained
      hub_model_id hub_model_revision hub_strategy hub_private_repo hub_always_push hub_revision hub_token push_to_hub_model_id push_to_hub_organization push_to_hub_token | .* | train does not upload; merge --push_to does |
      dataset_name dataset_config dataset_configs dataset_splits dataset_train_split dataset_test_split dataset_mixer dataset_mixture datasets dataset_streaming dataset_prepared_path | | | write dataset_path; prepare makes one of hub:owner/name (input, sources)
      precompute_ref_log_probs precompute_ref_batch_size | .* | the reference's log-probabilities are computed once, before the first step |
      reference_free sync_ref_model force_use_ref_model use_weighting generate_during_eval | false | | the reference is the model that training begins with, pairs count the same, and eval_metrics judges answers
      ref_model_init_kwargs model_adapter_name ref_adapter_name rpo_args | | | the reference is the model that training begins with, adapter: included
      ref_model_mixup_alpha ref_model_sync_steps discopop_tau f_alpha_divergence_coef | .* | it belongs to a choice of TRL that train does not have |
      label_smoothing | 0|0.0 | | loss_type is sigmoid, ipo or sft
      f_divergence_type | reverse_kl|FDivergenceType.REVERSE_KL | | the divergence is the reverse one (reverse_kl)
      ld_alpha max_prompt_length max_completion_length max_target_length | | | max_seq_length is of prompt and answer together, as in TRL since 0.29
      ignore_bias_buffers auto_insert_empty_system_msg system_prompt | false | | prepare makes conversations (system_message), and the chat template renders them
      """;

  private static final Map<String, Meaning> KEYS = meanings();

  /**
   * @param taken the values that change nothing, with {@code why}
   * @param instead what to do about other values; empty where all are taken
   */
  private record Meaning(Predicate<String> taken, String why, String instead) {}

  private final Map<String, Meaning> found = new LinkedHashMap<>();

  private static Map<String, Meaning> meanings() {
    Map<String, Meaning> keys = new LinkedHashMap<>();
    for (String line : TABLE.lines().toList()) {
      // Between columns are blanks, within an expression are none.
      List<String> columns =
          Arrays.stream(line.split(" \\|(?= |$)", -1)).map(String::strip).toList();
      Meaning meaning =
          new Meaning(
              Pattern.compile("(?is)" + columns.get(1)).asMatchPredicate(),
              columns.get(2),
              columns.get(3));
      for (String key : columns.get(0).split(" ")) {
        if (keys.put(key, meaning) != null) {
          throw new Bug(key + " is listed twice.");
        }
      }
    }
    return keys;
  }

  /** All of them. */
  static Set<String> keys() {
    return KEYS.keySet();
  }

  @Override
  public Optional<String> problem(KeyTable table, Given given) {
    Meaning meaning = KEYS.get(given.spelling());
    if (meaning == null) {
      return Values.OtherKeys.unknown(table, given);
    }
    if (given.value().isNull() || meaning.taken().test(text(given))) {
      found.put(given.spelling(), meaning);
      return Optional.empty();
    }
    return Optional.of(
        "%s is %s, which train does not do; %s"
            .formatted(given.spelling(), given.value(), meaning.instead()));
  }

  /** A key alone on the command line is true. */
  private static String text(Given given) {
    boolean isAlone = given.value().items() != null && given.value().items().isEmpty();
    return isAlone && given.value().place().equals(CommandLineKeys.PLACE)
        ? "true"
        : given.value().json().strip().replace("torch.", "");
  }

  /** One line for each that was given, for the user. */
  List<String> notes(Values values) {
    List<String> notes = new ArrayList<>();
    found.forEach(
        (key, meaning) ->
            notes.add(
                key
                    + " changes nothing"
                    + (meaning.why().isEmpty() ? "." : "; " + meaning.why() + ".")));
    if (!found.isEmpty() && values.where("method").isEmpty()) {
      notes.add(
          "method is %s, because the recipe says neither use_peft nor load_in_4bit; method: full trains all weights."
              .formatted(values.value("method").map(m -> ((KeyTable.Choice) m).text()).orElse("")));
    }
    return notes;
  }
}
