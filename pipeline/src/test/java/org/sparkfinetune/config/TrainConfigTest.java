package org.sparkfinetune.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.sparkfinetune.config.TrainYaml.REQUIRED;
import static org.sparkfinetune.config.TrainYaml.load;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.Set;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sparkfinetune.config.ConfigLoader.Loaded;
import org.sparkfinetune.config.EvaluateConfig.Metric;
import org.sparkfinetune.config.Parallelism.BackwardPrefetch;
import org.sparkfinetune.config.Parallelism.DdpBackend;
import org.sparkfinetune.config.Parallelism.ExchangeMode;
import org.sparkfinetune.config.Parallelism.Fsdp;
import org.sparkfinetune.config.Parallelism.ShardingStrategy;
import org.sparkfinetune.config.TrainConfig.Checkpointing;
import org.sparkfinetune.config.TrainConfig.Compute;
import org.sparkfinetune.config.TrainConfig.DeviceChoice;
import org.sparkfinetune.config.TrainConfig.GradientCheckpointing;
import org.sparkfinetune.config.TrainConfig.IntervalStrategy;
import org.sparkfinetune.config.TrainConfig.Loop;
import org.sparkfinetune.config.TrainConfig.LrSchedulerType;
import org.sparkfinetune.config.TrainConfig.Method;
import org.sparkfinetune.config.TrainConfig.ModelSource;
import org.sparkfinetune.config.TrainConfig.Optim;
import org.sparkfinetune.config.TrainConfig.Optimization;
import org.sparkfinetune.config.TrainConfig.Regularization;
import org.sparkfinetune.config.TrainConfig.Reporter;
import org.sparkfinetune.config.TrainConfig.Reporting;
import org.sparkfinetune.config.TrainConfig.ResumeFrom;
import org.sparkfinetune.config.TrainingData.Objective;
import org.sparkfinetune.config.TrainingData.Overlong;
import org.sparkfinetune.errors.UserError;

class TrainConfigTest {

  private static final Configuration HADOOP = new Configuration();

  @TempDir Path folder;

  private static Optimization constant(double warmupRatio) {
    return new Optimization(
        2e-4,
        LrSchedulerType.CONSTANT,
        Optional.empty(),
        warmupRatio,
        0,
        0,
        0.9,
        0.999,
        1e-8,
        0.3,
        Optional.empty(),
        Optim.ADAMW_TORCH);
  }

  @Test
  void the_defaults_are_those_that_the_manual_promises() {
    assertThat(load(folder, REQUIRED).config())
        .isEqualTo(
            new TrainConfig(
                new ModelSource("/models/llama", "main", Optional.empty(), Optional.empty()),
                new TrainingData(
                    "data",
                    512,
                    true,
                    false,
                    Optional.empty(),
                    Overlong.DROP,
                    false,
                    Objective.SFT),
                Method.QLORA,
                new LoraConfig(16, 8, 0.05, List.of("all-linear"), false, List.of()),
                new Parallelism(
                    OptionalInt.empty(),
                    new Fsdp(ShardingStrategy.FULL_SHARD, false, false),
                    Optional.empty(),
                    ExchangeMode.AUTO,
                    DdpBackend.AUTO,
                    false,
                    OptionalLong.empty(),
                    OptionalLong.empty()),
                new Compute(DeviceChoice.AUTO, true, GradientCheckpointing.ON, true),
                constant(0),
                Regularization.NONE,
                new Preference(0.1, List.of(), List.of(), Optional.empty(), true),
                new Loop(3, OptionalInt.empty(), 1, 1, 1),
                42,
                "runs/one",
                new Reporting(
                    10, false, Set.of(Reporter.TENSORBOARD), IntervalStrategy.EPOCH, 10, 0, false),
                new Checkpointing(IntervalStrategy.EPOCH, 500, 3, false, new ResumeFrom.Auto(), 3),
                new BestModel(false, "loss", Optional.empty(), OptionalInt.empty(), 0),
                new EvalMetrics(
                    Set.of(Metric.LOSS),
                    Optional.empty(),
                    Optional.empty(),
                    50,
                    OptionalInt.empty())));
    assertThat(load(folder, REQUIRED).notes()).isEmpty();
  }

  @Test
  void every_key_reaches_its_record() {
    assertThat(load(folder, everyKey()).config())
        .isEqualTo(
            new TrainConfig(
                new ModelSource(
                    "meta/llama", "abc", Optional.of("other/tokenizer"), Optional.of("s3a://b/a")),
                new TrainingData(
                    "hdfs://n/data",
                    3072,
                    false,
                    true,
                    Optional.of("llama3"),
                    Overlong.SPLIT,
                    true,
                    Objective.SFT),
                Method.LORA,
                new LoraConfig(
                    8,
                    16.5,
                    0,
                    List.of("q_proj", "v_proj"),
                    true,
                    List.of("lm_head"),
                    new LoraOptions(
                        Optional.of(Map.of("q_proj", "4", ".*1.*v_proj", "2")),
                        Optional.of(Map.of("v_proj", "3.5")),
                        List.of("0", "2"),
                        List.of("layers"),
                        List.of("model\\.layers\\.\\d{1,2}\\.self_attn\\.v_proj"),
                        LoraOptions.InitialWeights.of(LoraOptions.InitLoraWeights.ORTHOGONAL),
                        false,
                        true,
                        Optional.of(new LoraOptions.TokenIndices(List.of(90, 7))),
                        Optional.of(16.0))),
                new Parallelism(
                    OptionalInt.of(2),
                    new Fsdp(ShardingStrategy.HYBRID_SHARD, true, false),
                    Optional.of(BackwardPrefetch.NO_PREFETCH),
                    ExchangeMode.NETWORK,
                    DdpBackend.SPARK,
                    true,
                    OptionalLong.of(6_000_000_000L),
                    OptionalLong.of(40_000_000_000L)),
                new Compute(DeviceChoice.CPU, false, GradientCheckpointing.SELECTIVE, false),
                new Optimization(
                    1e-3,
                    LrSchedulerType.COSINE,
                    Optional.of(Map.of("num_cycles", "0.75")),
                    0.03,
                    7,
                    0.01,
                    0.8,
                    0.95,
                    1e-6,
                    1,
                    Optional.of(0.001),
                    Optim.ADAMW_TORCH_FUSED),
                new Regularization(0.1, Optional.of(5.0)),
                new Preference(0.2, List.of("nll"), List.of("2"), Optional.of(0.5), false),
                new Loop(1.5, OptionalInt.of(100), 4, 5, 6),
                7,
                "file:/runs/two",
                new Reporting(
                    1,
                    true,
                    Set.of(Reporter.TENSORBOARD, Reporter.MLFLOW),
                    IntervalStrategy.STEPS,
                    20,
                    2.5,
                    true),
                new Checkpointing(
                    IntervalStrategy.NO,
                    30,
                    2,
                    true,
                    new ResumeFrom.Path("runs/x/checkpoints/y"),
                    5),
                new BestModel(true, "eval_sql_loss", Optional.of(true), OptionalInt.of(3), 0.01),
                new EvalMetrics(
                    Set.of(Metric.LOSS, Metric.EXECUTION_MATCH, Metric.PATTERN_MATCH),
                    Optional.of("Answer: (.*)"),
                    Optional.of(Map.of("right", "answer = expected")),
                    7,
                    OptionalInt.of(9))));
  }

  @Test
  void the_test_of_every_key_leaves_none_out() {
    assertThat(KeyTable.TRAIN.keys())
        .allSatisfy(
            key ->
                assertThat(everyKey())
                    .containsPattern("(?m)^ *" + key.name().replace("fsdp_config.", "") + ":"));
  }

  @Test
  void the_resolved_file_gives_the_same_configuration_again() {
    for (String yaml : List.of(REQUIRED, everyKey())) {
      Loaded<TrainConfig> once = load(folder, yaml);
      Loaded<TrainConfig> again = load(folder, once.yaml());
      assertThat(again.config()).isEqualTo(once.config());
      assertThat(again.notes()).isEqualTo(once.notes());
      assertThat(again.yaml()).isEqualTo(once.yaml());
    }
  }

  @Test
  void the_reference_file_loads_unchanged() {
    Loaded<TrainConfig> loaded =
        load(
            folder,
            """
            # script parameters
            model_id: "meta-llama/Meta-Llama-3-70b" # Hugging Face model id
            dataset_path: "."                      # path to dataset
            max_seq_len:  3072 # 2048              # max sequence length for model and packing of the dataset
            # training parameters
            output_dir: "./llama-3-70b-hf-no-robot" # Temporary output directory for model checkpoints
            report_to: "tensorboard"               # report metrics to tensorboard
            learning_rate: 0.0002                  # learning rate 2e-4
            lr_scheduler_type: "constant"          # learning rate scheduler
            num_train_epochs: 3                    # number of training epochs
            per_device_train_batch_size: 1         # batch size per device during training
            per_device_eval_batch_size: 1          # batch size for evaluation
            gradient_accumulation_steps: 2         # number of steps before performing a backward/update pass
            optim: adamw_torch                     # use torch adamw optimizer
            logging_steps: 10                      # log every 10 steps
            save_strategy: epoch                   # save checkpoint every epoch
            evaluation_strategy: epoch             # evaluate every epoch
            max_grad_norm: 0.3                     # max gradient norm
            warmup_ratio: 0.03                     # warmup ratio
            bf16: true                             # use bfloat16 precision
            tf32: true                             # use tf32 precision
            gradient_checkpointing: true           # use gradient checkpointing to save memory
            # FSDP parameters: https://huggingface.co/docs/transformers/main/en/fsdp
            fsdp: "full_shard auto_wrap offload" # remove offload if enough GPU memory
            fsdp_config:
              backward_prefetch: "backward_pre"
              forward_prefetch: "false"
              use_orig_params: "false"
            """,
            "--num_train_epochs",
            "10");
    TrainConfig config = loaded.config();
    assertThat(config.model().modelId()).isEqualTo("meta-llama/Meta-Llama-3-70b");
    assertThat(config.data().maxSeqLength()).isEqualTo(3072);
    assertThat(config.loop()).isEqualTo(new Loop(10, OptionalInt.empty(), 1, 1, 2));
    assertThat(config.parallelism().strategy()).isEqualTo(ShardingStrategy.FULL_SHARD);
    assertThat(config.parallelism().offload()).isTrue();
    assertThat(config.optimization()).isEqualTo(constant(0.03));
    assertThat(loaded.notes())
        .containsExactly(
            "fsdp: auto_wrap changes nothing; a decoder layer is always the unit of sharding.",
            "fsdp: offload keeps frozen shards on the host of a GPU; on a CPU they are there"
                + " anyway.",
            "fsdp_config.forward_prefetch changes nothing; layers are prefetched in both"
                + " directions.",
            "fsdp_config.use_orig_params changes nothing; frozen and trained weights are sharded"
                + " apart.",
            "tf32 changes nothing; matrices are multiplied in bfloat16 or float32.",
            "lr_scheduler_type: constant ignores warmup_ratio 0.03; constant_with_warmup warms"
                + " up.");
  }

  @Test
  void second_spellings_and_quoted_words_mean_the_same() {
    TrainConfig config =
        load(
                folder,
                """
                model_name_or_path: m
                dataset_path: d
                output_dir: o
                max_seq_length: "1024"
                eval_strategy: no
                bf16: "False"
                learning_rate: 2e-4
                gradient_checkpointing: "true"
                report_to: [mlflow]
                max_steps: -1
                optim: adamw_torch_fused
                resume_from_checkpoint: true
                """)
            .config();
    assertThat(config.model().modelId()).isEqualTo("m");
    assertThat(config.data().maxSeqLength()).isEqualTo(1024);
    assertThat(config.reporting().evalStrategy()).isEqualTo(IntervalStrategy.NO);
    assertThat(config.reporting().reportTo()).containsExactly(Reporter.MLFLOW);
    assertThat(config.compute().bf16()).isFalse();
    assertThat(config.optimization().learningRate()).isEqualTo(2e-4);
    assertThat(config.loop().maxSteps()).isEmpty();
    assertThat(config.checkpointing().resumeFrom()).isEqualTo(new ResumeFrom.Auto());
    assertThat(load(folder, REQUIRED + "report_to: none").config().reporting().reportTo())
        .isEmpty();
  }

  @Test
  void the_command_line_wins_in_every_form() {
    Loaded<TrainConfig> loaded =
        load(
            folder,
            REQUIRED + "seed: 1\nbf16: false\nmax_seq_len: 100\n",
            "--seed=2",
            "--bf16",
            "--max_seq_length",
            "200",
            "--lora_target_modules",
            "q_proj",
            "v_proj",
            "--fsdp_config.backward_prefetch",
            "no_prefetch",
            "--modules_to_save=[embed_tokens, lm_head]",
            "--fsdp",
            "shard_grad_op offload");
    TrainConfig config = loaded.config();
    assertThat(config.seed()).isEqualTo(2);
    assertThat(config.compute().bf16()).isTrue();
    assertThat(config.data().maxSeqLength()).isEqualTo(200);
    assertThat(config.lora().targetModules()).containsExactly("q_proj", "v_proj");
    assertThat(config.lora().modulesToSave()).containsExactly("embed_tokens", "lm_head");
    assertThat(config.parallelism().backwardPrefetch()).isFalse();
    assertThat(config.parallelism().strategy()).isEqualTo(ShardingStrategy.SHARD_GRAD_OP);
  }

  @Test
  void the_command_line_alone_is_a_configuration() {
    Loaded<TrainConfig> loaded =
        new ConfigLoader(HADOOP)
            .train(
                Optional.empty(),
                List.of("--model_id", "m", "--dataset_path", "d", "--output_dir", "o"));
    assertThat(loaded.config().outputDir()).isEqualTo("o");
  }

  @Test
  void modules_are_names_or_one_expression_with_whatever_it_holds() {
    for (String expression : List.of("model\\.layers\\.\\d{1,2}\\..*", ".*(q|v)_proj, x", "a|b")) {
      assertThat(targets("'" + expression + "'")).containsExactly(expression);
    }
    for (String names : List.of("q_proj,self_attn.v_proj", "q_proj self_attn.v_proj")) {
      assertThat(targets(names)).containsExactly("q_proj", "self_attn.v_proj");
    }
    assertThat(targets("all-linear")).containsExactly("all-linear");
    assertThatThrownBy(() -> targets("[q_proj, .*v_proj]"))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("each entry is a name, as in PEFT, and .*v_proj is none");
  }

  private List<String> targets(String value) {
    return load(folder, REQUIRED + "lora_target_modules: " + value).config().lora().targetModules();
  }

  private static String everyKey() {
    return """
    model_id: meta/llama
    revision: abc
    tokenizer: other/tokenizer
    adapter: s3a://b/a
    dataset_path: hdfs://n/data
    max_seq_length: 3072
    packing: false
    cross_sample_attention: true
    chat_template: llama3
    overlong: split
    assistant_only_loss: true
    method: lora
    lora_r: 8
    lora_alpha: 16.5
    lora_dropout: 0
    lora_target_modules: [q_proj, v_proj]
    use_rslora: true
    modules_to_save: [lm_head]
    save_embedding_layers: false
    rank_pattern: {q_proj: 4, .*1.*v_proj: 2}
    alpha_pattern: {v_proj: 3.5}
    layers_to_transform: [0, 2]
    layers_pattern: layers
    exclude_modules: model\\.layers\\.\\d{1,2}\\.self_attn\\.v_proj
    init_lora_weights: orthogonal
    lora_bias: false
    use_dora: true
    trainable_token_indices: [90, 7]
    loraplus_lr_ratio: 16
    num_ranks: 2
    fsdp: hybrid_shard offload
    fsdp_config:
      backward_prefetch: no_prefetch
      forward_prefetch: false
      use_orig_params: true
    exchange: network
    ddp_backend: spark
    activation_offload: true
    activation_memory: 6GB
    gpu_memory: 40GB
    device: cpu
    bf16: false
    tf32: false
    gradient_checkpointing: selective
    gradient_checkpointing_kwargs: {use_reentrant: false}
    deterministic: false
    learning_rate: 1e-3
    lr_scheduler_type: cosine
    lr_scheduler_kwargs: {num_cycles: 0.75}
    warmup_ratio: 0.03
    warmup_steps: 7
    weight_decay: 0.01
    adam_beta1: 0.8
    adam_beta2: 0.95
    adam_epsilon: 1e-6
    max_grad_norm: 1
    router_aux_loss_coef: 0.001
    label_smoothing_factor: 0.1
    objective: sft
    beta: 0.2
    loss_type: nll
    loss_weights: [2]
    rpo_alpha: 0.5
    disable_dropout: false
    neftune_noise_alpha: 5
    optim: adamw_torch_fused
    num_train_epochs: 1.5
    max_steps: 100
    per_device_train_batch_size: 4
    per_device_eval_batch_size: 5
    gradient_accumulation_steps: 6
    seed: 7
    output_dir: file:/runs/two
    logging_steps: 1
    logging_first_step: true
    report_to: [tensorboard, mlflow]
    eval_strategy: steps
    eval_steps: 20
    eval_delay: 2.5
    eval_on_start: true
    save_strategy: no
    save_steps: 30
    save_total_limit: 2
    save_only_model: true
    resume_from_checkpoint: runs/x/checkpoints/y
    max_attempts: 5
    load_best_model_at_end: true
    metric_for_best_model: eval_sql_loss
    greater_is_better: true
    early_stopping_patience: 3
    early_stopping_threshold: 0.01
    eval_metrics: [loss, execution_match, pattern_match]
    answer_pattern: "Answer: (.*)"
    eval_custom_metrics: {right: answer = expected}
    eval_generate_samples: 7
    eval_max_new_tokens: 9
    """;
  }
}
