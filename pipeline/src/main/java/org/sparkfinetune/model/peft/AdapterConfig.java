package org.sparkfinetune.model.peft;

import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import org.apache.hadoop.fs.Path;
import org.sparkfinetune.config.LoraConfig;
import org.sparkfinetune.config.LoraOptions;
import org.sparkfinetune.config.TrainConfig;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.model.family.DecoderConfig;
import org.sparkfinetune.model.family.ModuleNames;
import org.sparkfinetune.model.peft.LoraModules.AllLinear;
import org.sparkfinetune.model.peft.LoraModules.Expression;
import org.sparkfinetune.model.peft.LoraModules.Names;
import org.sparkfinetune.model.peft.LoraModules.Targets;
import org.sparkfinetune.store.Store;

/**
 * What of {@code adapter_config.json} we compute with.
 *
 * @param baseModel {@code base_model_name_or_path}
 * @param modules which modules have an adapter, or are trained whole
 * @param ranks and the factors before B(A(x))
 * @param dropout {@code lora_dropout}, in training only
 * @param beginning {@code init_lora_weights}, which says where the adapter's training began
 * @param variant what there is beside A and B
 * @param tokens {@code trainable_token_indices} of the embedding
 */
public record AdapterConfig(
    Optional<String> baseModel,
    Optional<String> revision,
    LoraModules modules,
    LoraRanks ranks,
    double dropout,
    Beginning beginning,
    Variant variant,
    List<Integer> tokens) {

  public AdapterConfig {
    tokens = List.copyOf(tokens);
    LoraRanks.check(
        tokens.size() == new HashSet<>(tokens).size(),
        "trainable_token_indices",
        tokens,
        "every token once");
    LoraRanks.check(
        tokens.isEmpty() || !modules.modulesToSave().contains("embed_tokens"),
        "trainable_token_indices",
        tokens,
        "none beside modules_to_save: embed_tokens, which trains them all");
    LoraRanks.check(dropout >= 0 && dropout < 1, "lora_dropout", dropout, "0 or more and below 1");
  }

  /**
   * What a user asks for.
   *
   * @throws UserError if an expression cannot be used, or the parts contradict each other
   */
  public static AdapterConfig of(LoraConfig lora) {
    LoraOptions options = lora.options();
    return new AdapterConfig(
        Optional.empty(),
        Optional.empty(),
        new LoraModules(
            lora.targetModules().equals(List.of("all-linear"))
                ? new AllLinear()
                : targets("lora_target_modules", lora.targetModules()),
            options.excludeModules().isEmpty()
                ? Optional.empty()
                : Optional.of(targets("exclude_modules", options.excludeModules())),
            options.layersToTransform().stream().map(Integer::valueOf).toList(),
            options.layersPattern(),
            lora.modulesToSave()),
        new LoraRanks(lora.r(), lora.alpha(), lora.useRslora(), options.ranks(), options.alphas()),
        lora.dropout(),
        switch (options.initLoraWeights().how()) {
          case TRUE -> Beginning.KAIMING;
          case FALSE -> Beginning.BOTH_UNIFORM;
          case GAUSSIAN -> Beginning.GAUSSIAN;
          case ORTHOGONAL -> Beginning.ORTHOGONAL;
          case PISSA -> Beginning.PISSA;
          case OLORA -> Beginning.OLORA;
        },
        options.useDora() ? Variant.DORA : options.loraBias() ? Variant.BIAS : Variant.PLAIN,
        options.trainableTokenIndices().map(LoraOptions.TokenIndices::ids).orElse(List.of()));
  }

  /**
   * LoRA as it is carried out: that of the configuration, or of the adapter to start from, whose
   * weights fit nothing else. Dropout, which shapes no weight, is always the configuration's.
   *
   * @param config with its adapter located
   */
  public static AdapterConfig of(TrainConfig config, Store store) {
    return config
        .model()
        .adapter()
        .map(folder -> AdapterFiles.readConfig(new Path(folder), store))
        .map(adapter -> adapter.withDropout(config.lora().dropout()))
        .orElseGet(() -> of(config.lora()));
  }

  /**
   * The linears of a model that a run's adapters are on.
   *
   * @throws UserError if a user asks for what the model does not have
   */
  public static LoraTargets targets(TrainConfig config, AdapterConfig lora, DecoderConfig model) {
    return config.model().adapter().isPresent()
        ? new LoraTargets(model, lora)
        : LoraTargets.asked(model, lora);
  }

  private static Targets targets(String key, List<String> entries) {
    return entries.size() == 1 && LoraConfig.isExpression(entries.get(0))
        ? Expression.of(key, entries.get(0))
        : new Names(entries);
  }

  /** Modules that are trained whole and saved beside the adapter. */
  public List<String> modulesToSave() {
    return modules.modulesToSave();
  }

  /** The same of another base, as a run writes it. */
  public AdapterConfig on(String model, Optional<String> itsRevision) {
    return new AdapterConfig(
        Optional.of(model), itsRevision, modules, ranks, dropout, beginning, variant, tokens);
  }

  /** The same with its modules named. */
  public AdapterConfig withTargets(Targets targets) {
    LoraModules named =
        new LoraModules(
            targets,
            modules.excluded(),
            modules.layersToTransform(),
            modules.layersPattern(),
            modules.modulesToSave());
    return new AdapterConfig(
        baseModel, revision, named, ranks, dropout, beginning, variant, tokens);
  }

  /**
   * The configuration that is written: an adapter that began as a part of the base is written as
   * the difference to its beginning, {@code [B, -B0] [A; A0]}, which has twice its rank and goes
   * over the untouched base (PEFT's {@code path_initial_model_for_weight_conversion}).
   */
  public AdapterConfig written() {
    return beginning.ofBase()
        ? new AdapterConfig(
            baseModel,
            revision,
            modules,
            ranks.doubled(),
            dropout,
            Beginning.KAIMING,
            variant,
            tokens)
        : this;
  }

  /** The same, and nothing outside of the decoder. */
  public AdapterConfig within(ModuleNames names) {
    return new AdapterConfig(
        baseModel, revision, modules.within(names), ranks, dropout, beginning, variant, tokens);
  }

  /** The same with another dropout, which shapes no weight. */
  public AdapterConfig withDropout(double other) {
    return new AdapterConfig(
        baseModel, revision, modules, ranks, other, beginning, variant, tokens);
  }

  /** What an adapter has beside A and B, a vector (out) at most. */
  public enum Variant {
    PLAIN,
    /** {@code lora_bias}: B has a bias. */
    BIAS,
    /** {@code use_dora}: lengths of the rows of {@code W + scaling * B A} (arXiv:2402.09353). */
    DORA
  }

  /** PEFT's first values of adapters. */
  public enum Beginning {
    /** A uniform in ±1/sqrt(in), B zero: {@code true}. */
    KAIMING,
    /** A as above, B uniform in ±1/sqrt(r): {@code false}. */
    BOTH_UNIFORM,
    /** A normal with deviation 1/r, B zero. */
    GAUSSIAN,
    /** A and B in parts of r dimensions that are orthogonal, so that B A is zero. */
    ORTHOGONAL,
    /** From the data, by another program. */
    EVA,
    /** The largest singular values of W with their vectors, which W is less (arXiv:2404.02948). */
    PISSA,
    /** The first of W = Q R, which W is less (arXiv:2406.01775). */
    OLORA;

    /** Whether the base weights are less by the first B A. */
    public boolean ofBase() {
      return this == PISSA || this == OLORA;
    }
  }
}
