package org.sparkfinetune.config;

import com.fasterxml.jackson.annotation.JsonProperty;
import java.io.Serializable;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.TreeSet;
import org.sparkfinetune.config.Key.Meaning;
import org.sparkfinetune.config.Parallelism.DdpBackend;
import org.sparkfinetune.errors.UserError;

/**
 * Everything that {@code train} was asked for; its keys have transformers', TRL's and PEFT's names
 * where they have one.
 */
public record TrainConfig(
    ModelSource model,
    TrainingData data,
    @Key(otherwise = "qlora", doc = "adapters over NF4, adapters over 16 bits, or all weights")
        Method method,
    LoraConfig lora,
    Parallelism parallelism,
    Compute compute,
    Optimization optimization,
    Regularization regularization,
    Preference preference,
    Loop loop,
    @Key(otherwise = "42", range = "[0,)", doc = "orders, dropout and new adapters follow it")
        long seed,
    @Key(meaning = Meaning.PATH, doc = "the run folder, where everything is written")
        String outputDir,
    Reporting reporting,
    Checkpointing checkpointing,
    BestModel best,
    EvalMetrics evalMetrics) {
  public TrainConfig {
    KeyTable.check(TrainConfig.class, method, seed, outputDir);
    Problems problems = new Problems();
    problems.addIf(
        method == Method.FULL && model.adapter().isPresent(),
        () ->
            ("adapter is %s, but method is full, which trains no adapter; merge the adapter into"
                    + " the model first, or use method qlora or lora")
                .formatted(model.adapter().orElse("")));
    problems.addIf(
        best.isAsked() && reporting.evalStrategy() == IntervalStrategy.NO,
        () ->
            ("%s needs evaluations, but eval_strategy is no; set eval_strategy to epoch or steps")
                .formatted(
                    best.loadBestModelAtEnd()
                        ? "load_best_model_at_end"
                        : "early_stopping_patience"));
    problems.addIf(
        evalMetrics.needAnswers() && !reporting.evaluates(),
        () ->
            "eval_metrics or eval_custom_metrics asks for %s, but eval_strategy is no; set eval_strategy to epoch or steps"
                .formatted(String.join(", ", evalMetrics.names())));
    preference.check(data, regularization, problems);
    LoraOptions.InitialWeights first = lora.options().initLoraWeights();
    problems.addIf(
        method == Method.QLORA && first.how().ofBase() && model.adapter().isEmpty(),
        () ->
            "init_lora_weights is %s, which takes its part out of the base weights, and method is qlora, which keeps them in NF4 as they are (PEFT refuses PiSSA there too); use method: lora, or another init_lora_weights"
                .formatted(first.text()));
    problems.addIf(
        parallelism.ddpBackend() == DdpBackend.NCCL && compute.device() == DeviceChoice.CPU,
        () ->
            "ddp_backend is nccl, which is for GPUs, but device is cpu; use ddp_backend: auto or spark");
    problems.refuse();
  }

  /** The same with a model whose place is known. */
  public TrainConfig with(ModelSource located) {
    return new TrainConfig(
        located,
        data,
        method,
        lora,
        parallelism,
        compute,
        optimization,
        regularization,
        preference,
        loop,
        seed,
        outputDir,
        reporting,
        checkpointing,
        best,
        evalMetrics);
  }

  /**
   * Dropout of LoRA's inputs.
   *
   * @param ofAdapter as the adapter's configuration has it
   */
  public double dropout(double ofAdapter) {
    boolean none = method == Method.FULL || data.isPreference() && preference.disableDropout();
    return none ? 0 : ofAdapter;
  }

  /** Which weights are trained, and how the frozen ones are stored. */
  public enum Method implements KeyTable.Choice {
    /** Adapters over frozen weights in NF4. */
    QLORA,
    /** Adapters over frozen weights in 16 bits. */
    LORA,
    /** All weights. */
    FULL
  }

  /**
   * Where the model comes from.
   *
   * @param modelId as results name it
   * @param folder what is read: for a hub id, once it was downloaded, its folder in the cache
   */
  public record ModelSource(
      @Key(
              alias = "model_name_or_path",
              meaning = Meaning.MODEL,
              doc = "model: folder, Hadoop URI or hub id")
          String modelId,
      @Key(
              alias = "model_revision",
              otherwise = "main",
              allowed = "a branch, tag or commit",
              doc = "the model's revision")
          String revision,
      @Key(
              alias = "tokenizer_name_or_path",
              meaning = Meaning.MODEL,
              doc = "another tokenizer than the model's")
          Optional<String> tokenizer,
      @Key(
              meaning = Meaning.MODEL,
              doc = "an existing PEFT adapter to start from; r, alpha and modules are its own")
          Optional<String> adapter,
      String folder) {
    public ModelSource {
      KeyTable.check(ModelSource.class, modelId, revision, tokenizer, adapter);
    }

    /** Where the model is read from what names it. */
    public ModelSource(
        String modelId, String revision, Optional<String> tokenizer, Optional<String> adapter) {
      this(modelId, revision, tokenizer, adapter, modelId);
    }
  }

  /** Where and in what numbers is computed; travels to executors. */
  public record Compute(
      @Key(
              otherwise = "auto",
              doc = "where to compute; auto: on the GPU that Spark gave the executor, if any")
          DeviceChoice device,
      @Key(otherwise = "true", doc = "compute in bfloat16; false: float32") boolean bf16,
      @Key(
              alias = "activation_checkpointing",
              otherwise = "true",
              doc = "keep only the inputs of layers and compute the rest again")
          GradientCheckpointing gradientCheckpointing,
      @Key(
              otherwise = "true",
              doc = "the same run gives the same bits on a GPU too; false: faster attention there")
          boolean deterministic)
      implements Serializable {
    private static final long serialVersionUID = 1L;
  }

  /** Where tensors live. */
  public enum DeviceChoice implements KeyTable.Choice {
    /** CUDA where a GPU was assigned and libtorch has CUDA, else the CPU. */
    AUTO,
    CPU,
    CUDA
  }

  /** What is kept of a layer's forward for its backward. */
  public enum GradientCheckpointing implements KeyTable.Choice {
    /** Only the layer's input; all else is computed again. */
    @JsonProperty("true")
    ON,
    /** Everything. */
    @JsonProperty("false")
    OFF,
    /** What is cheap to keep and dear to compute again. */
    SELECTIVE
  }

  /** AdamW and its schedule. */
  public record Optimization(
      @Key(otherwise = "2e-4", range = "(0,)", doc = "AdamW's rate at its peak")
          double learningRate,
      @Key(otherwise = "constant", doc = "how the rate changes over the run")
          LrSchedulerType lrSchedulerType,
      @Key(doc = "what a schedule takes beside, as num_cycles, min_lr, power or num_decay_steps")
          Optional<Map<String, String>> lrSchedulerKwargs,
      @Key(otherwise = "0", range = "[0,1]", doc = "share of the steps in which the rate rises")
          double warmupRatio,
      @Key(otherwise = "0", range = "[0,)", doc = "the same as a number; wins over the ratio")
          int warmupSteps,
      @Key(otherwise = "0", range = "[0,)", doc = "AdamW's decay") double weightDecay,
      @Key(otherwise = "0.9", range = "[0,1)", doc = "of AdamW's mean of gradients")
          double adamBeta1,
      @Key(otherwise = "0.999", range = "[0,1)", doc = "of AdamW's mean of their squares")
          double adamBeta2,
      @Key(otherwise = "1e-8", range = "[0,)", doc = "what AdamW adds to their root")
          double adamEpsilon,
      @Key(
              otherwise = "0.3",
              range = "[0,)",
              doc = "the global gradient norm is clipped to it; 0: not clipped")
          double maxGradNorm,
      @Key(
              range = "[0,)",
              doc = "of a mixture of experts: weight of the load-balancing loss; without it none")
          Optional<Double> routerAuxLossCoef,
      @Key(
              after = "max_grad_norm",
              otherwise = "adamw_torch",
              doc = "the optimizer; adamw_8bit keeps its moments in 8 bits")
          Optim optim) {
    public Optimization {
      KeyTable.check(
          Optimization.class,
          learningRate,
          lrSchedulerType,
          lrSchedulerKwargs,
          warmupRatio,
          warmupSteps,
          weightDecay,
          adamBeta1,
          adamBeta2,
          adamEpsilon,
          maxGradNorm,
          routerAuxLossCoef,
          optim);
      lrSchedulerKwargs = lrSchedulerKwargs.map(Map::copyOf);
      double end = options(lrSchedulerType, lrSchedulerKwargs).number("lr_end").orElse(0);
      if (end >= learningRate) {
        throw new UserError(
            "lr_scheduler_kwargs.lr_end is %s, which is not below learning_rate, %s"
                .formatted(end, learningRate));
      }
    }

    /** {@code lr_scheduler_kwargs}, of the schedule that there is. */
    public ScheduleOptions schedule() {
      return options(lrSchedulerType, lrSchedulerKwargs);
    }

    private static ScheduleOptions options(
        LrSchedulerType type, Optional<Map<String, String>> given) {
      return new ScheduleOptions(type, given.orElse(Map.of()));
    }
  }

  /**
   * What keeps a model from learning its rows by heart, with the meaning of transformers.
   *
   * @param labelSmoothingFactor e in a token's loss, (1 - e) times -log p of its label and e times
   *     the mean of -log p over the vocabulary; evaluations during training have it too
   * @param neftuneNoiseAlpha NEFTune (Jain et al. 2023): what is added to each number of an
   *     embedding is uniform between -+ alpha / sqrt(L H), L tokens of the sample, H numbers each
   */
  public record Regularization(
      @Key(
              otherwise = "0",
              range = "[0,1]",
              doc = "share of each label that goes to all tokens, in the loss of evaluations too")
          double labelSmoothingFactor,
      @Key(
              range = "[0,)",
              doc = "NEFTune: noise on embeddings in training, over the root of a sample's numbers")
          Optional<Double> neftuneNoiseAlpha) {
    public static final Regularization NONE = new Regularization(0, Optional.empty());

    public Regularization {
      KeyTable.check(Regularization.class, labelSmoothingFactor, neftuneNoiseAlpha);
    }
  }

  /** With the meaning of transformers. */
  public enum LrSchedulerType implements KeyTable.Choice {
    /** The same rate always; ignores the warm-up. */
    CONSTANT,
    CONSTANT_WITH_WARMUP,
    /** Falls to 0 in a line after the warm-up. */
    LINEAR,
    /** Falls to 0 along half a cosine after the warm-up. */
    COSINE("num_cycles"),
    /** The same num_cycles times, from the peak each time. */
    COSINE_WITH_RESTARTS("num_cycles"),
    /** Falls to a rate above 0. */
    COSINE_WITH_MIN_LR("num_cycles", "min_lr", "min_lr_rate"),
    /** Falls to lr_end by a power of what is left. */
    POLYNOMIAL("lr_end", "power"),
    /** Falls with the root of the steps, and never to 0. */
    INVERSE_SQRT("timescale"),
    /** Stays at its peak until the last num_decay_steps. */
    WARMUP_STABLE_DECAY(
        "num_decay_steps",
        "num_stable_steps",
        "warmup_type",
        "decay_type",
        "min_lr_ratio",
        "num_cycles");

    private final List<String> options;

    LrSchedulerType(String... options) {
      this.options = List.of(options);
    }

    /** What it takes in {@code lr_scheduler_kwargs}. */
    List<String> options() {
      return options;
    }
  }

  /** How long is trained and how many rows make a step. */
  public record Loop(
      @Key(otherwise = "3", range = "(0,)", doc = "passes over the data") double numTrainEpochs,
      @Key(
              none = "-1",
              allowed = "a whole number of at least 1, or -1 for no limit",
              doc = "optimizer steps after which to stop, whatever num_train_epochs says")
          OptionalInt maxSteps,
      @Key(otherwise = "1", doc = "rows of a micro-batch") int perDeviceTrainBatchSize,
      @Key(otherwise = "1", doc = "the same in evaluation") int perDeviceEvalBatchSize,
      @Key(otherwise = "1", doc = "micro-batches of a rank in an optimizer step")
          int gradientAccumulationSteps) {
    public Loop {
      KeyTable.check(
          Loop.class,
          numTrainEpochs,
          maxSteps,
          perDeviceTrainBatchSize,
          perDeviceEvalBatchSize,
          gradientAccumulationSteps);
    }
  }

  /** What is told while a run goes on. */
  public record Reporting(
      @Key(otherwise = "10", doc = "optimizer steps between two log lines") int loggingSteps,
      @Key(otherwise = "false", doc = "a log line after the first step too")
          boolean loggingFirstStep,
      @Key(otherwise = "tensorboard", none = "none", doc = "where metrics go besides metrics.jsonl")
          Set<Reporter> reportTo,
      @Key(alias = "evaluation_strategy", otherwise = "epoch", doc = "when to evaluate")
          IntervalStrategy evalStrategy,
      @Key(
              otherwise = "=logging_steps",
              doc = "steps between two evaluations; without it logging_steps")
          int evalSteps,
      @Key(
              otherwise = "0",
              range = "[0,)",
              doc = "no evaluation before so many steps, or epochs where eval_strategy is epoch")
          double evalDelay,
      @Key(otherwise = "false", doc = "evaluate before the first step too") boolean evalOnStart) {
    public Reporting {
      KeyTable.check(
          Reporting.class,
          loggingSteps,
          loggingFirstStep,
          reportTo,
          evalStrategy,
          evalSteps,
          evalDelay,
          evalOnStart);
      reportTo = Collections.unmodifiableSet(new TreeSet<>(reportTo));
    }

    /** Whether the test split is ever looked at. */
    public boolean evaluates() {
      return evalOnStart || evalStrategy != IntervalStrategy.NO;
    }
  }

  /** Where metrics go besides {@code metrics.jsonl}. */
  public enum Reporter implements KeyTable.Choice {
    TENSORBOARD,
    MLFLOW
  }

  /** When something happens. */
  public enum IntervalStrategy implements KeyTable.Choice {
    NO,
    STEPS,
    EPOCH
  }

  /**
   * When checkpoints are written, how many are kept, and how a run goes on after it was cut off.
   */
  public record Checkpointing(
      @Key(otherwise = "epoch", doc = "when to write a checkpoint") IntervalStrategy saveStrategy,
      @Key(otherwise = "500", doc = "steps between two checkpoints") int saveSteps,
      @Key(otherwise = "3", doc = "checkpoints that are kept") int saveTotalLimit,
      @Key(
              otherwise = "false",
              doc = "checkpoints without the optimizer's state, from which no run goes on")
          boolean saveOnlyModel,
      @Key(
              name = "resume_from_checkpoint",
              otherwise = "auto",
              doc =
                  "auto (the newest complete one, if any), never, or a path (later ones are set"
                      + " aside)")
          ResumeFrom resumeFrom,
      @Key(otherwise = "3", doc = "starts of the training before giving up") int maxAttempts) {
    public Checkpointing {
      KeyTable.check(
          Checkpointing.class,
          saveStrategy,
          saveSteps,
          saveTotalLimit,
          saveOnlyModel,
          resumeFrom,
          maxAttempts);
    }
  }

  /** Where a run begins. */
  public sealed interface ResumeFrom {

    /** {@code true} and {@code false} are what transformers' users write. */
    static ResumeFrom of(String text) {
      return switch (text.toLowerCase(Locale.ROOT)) {
        case "auto", "true" -> new Auto();
        case "never", "false" -> new Never();
        default -> new Path(text);
      };
    }

    /** The word or path in YAML. */
    default String text() {
      return this instanceof Path path ? path.uri() : this instanceof Auto ? "auto" : "never";
    }

    /** The newest complete checkpoint of the run folder, if there is one. */
    record Auto() implements ResumeFrom {}

    /** From the beginning. */
    record Never() implements ResumeFrom {}

    /** One checkpoint, named by its Hadoop URI. */
    record Path(String uri) implements ResumeFrom {}
  }

  /** The reference's keys that change nothing here; {@link TrainNotes} says why. */
  record Accepted(
      @Key(
              name = "fsdp_config.forward_prefetch",
              after = "fsdp_config.backward_prefetch",
              doc = "accepted; always so")
          Optional<Boolean> forwardPrefetch,
      @Key(
              name = "fsdp_config.use_orig_params",
              after = "fsdp_config.forward_prefetch",
              doc = "accepted; means nothing here")
          Optional<Boolean> useOrigParams,
      @Key(after = "bf16", doc = "accepted; means nothing here") Optional<Boolean> tf32,
      @Key(
              after = "gradient_checkpointing",
              alias = "activation_checkpointing_kwargs",
              doc = "accepted; means nothing here")
          Optional<Map<String, String>> gradientCheckpointingKwargs,
      @Key(
              after = "modules_to_save",
              otherwise = "auto",
              doc = "accepted; embeddings are saved where modules_to_save trains them")
          SaveEmbeddingLayers saveEmbeddingLayers) {}

  /**
   * PEFT's rule for embeddings that no key names: {@code auto} saves them where LoRA is on them or
   * the vocabulary was resized, and neither happens here.
   */
  enum SaveEmbeddingLayers implements KeyTable.Choice {
    AUTO,
    @JsonProperty("false")
    NEVER
  }

  /** Transformers' names for the two AdamW that there are. */
  public enum Optim implements KeyTable.Choice {
    ADAMW_TORCH,
    ADAMW_TORCH_FUSED,
    ADAMW_8BIT,
    ADAMW_BNB_8BIT,
    PAGED_ADAMW_8BIT,
    PAGED_ADAMW_32BIT;

    /** The name under which it is carried out. */
    public Optim plain() {
      return switch (this) {
        case ADAMW_TORCH, ADAMW_TORCH_FUSED, PAGED_ADAMW_32BIT -> ADAMW_TORCH;
        case ADAMW_8BIT, ADAMW_BNB_8BIT, PAGED_ADAMW_8BIT -> ADAMW_8BIT;
      };
    }
  }
}
