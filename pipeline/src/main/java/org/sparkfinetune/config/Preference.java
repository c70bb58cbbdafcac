package org.sparkfinetune.config;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.sparkfinetune.config.Key.Meaning;
import org.sparkfinetune.errors.UserError;

/**
 * How {@code objective: dpo} learns which of two answers is preferred (Rafailov et al. 2023), with
 * the names and meanings of TRL's DPOConfig.
 */
public record Preference(
    @Key(
            otherwise = "0.1",
            range = "(0,)",
            doc = "dpo: how much it costs to leave the model that training began with")
        double beta,
    @Key(
            otherwise = Key.EMPTY,
            meaning = Meaning.WORDS,
            allowed = "sigmoid, ipo and sft for objective: dpo, one or several; nll for sft",
            doc = "dpo: the losses that are added up; without it sigmoid")
        List<String> lossType,
    @Key(
            otherwise = Key.EMPTY,
            meaning = Meaning.WORDS,
            allowed = "a number for each loss_type",
            doc = "dpo: what each of them counts; without it 1")
        List<String> lossWeights,
    @Key(range = "(0,)", doc = "dpo: what the loss sft counts beside loss_type")
        Optional<Double> rpoAlpha,
    @Key(otherwise = "true", doc = "dpo: no dropout, whatever lora_dropout says, as in TRL")
        boolean disableDropout) {

  /** TRL's names of the loss of objective: sft. */
  private static final List<String> OF_SFT = List.of("nll", "chunked_nll");

  private static final String RPO_ALPHA = "rpo_alpha";

  public Preference {
    KeyTable.check(Preference.class, beta, lossType, lossWeights, rpoAlpha, disableDropout);
    lossType = List.copyOf(lossType);
    lossWeights = List.copyOf(lossWeights);
    List<String> types = lossType;
    List<String> weights = lossWeights;
    Problems problems = new Problems();
    types.stream()
        .filter(type -> !OF_SFT.contains(type) && LossType.named(type).isEmpty())
        .forEach(
            type ->
                problems.add(
                    "loss_type is %s, which train does not have; allowed: sigmoid, ipo, sft, one or several, and nll for objective: sft"
                        .formatted(type)));
    problems.addIf(
        types.stream().distinct().count() < types.size(),
        () -> "loss_type is %s, which has one twice; add up its loss_weights".formatted(types));
    problems.addIf(
        !weights.isEmpty() && weights.size() != Math.max(1, types.size()),
        () ->
            "loss_weights is %s, but loss_type is %s; give a number for each"
                .formatted(weights, types.isEmpty() ? "sigmoid" : types));
    weights.forEach(weight -> problems.addFrom(() -> number(weight)));
    problems.addIf(
        rpoAlpha.isPresent() && types.contains(LossType.SFT.text()),
        () ->
            "%s is %s, but loss_type has sft already; keep one of the two"
                .formatted(RPO_ALPHA, rpoAlpha.orElse(0.0)));
    problems.refuse();
  }

  /** The losses over a pair of answers, with the meaning of TRL. */
  public enum LossType implements KeyTable.Choice {
    /** -log sigmoid(beta (chosen - rejected)), of log-probabilities beside the reference's. */
    SIGMOID,
    /** (chosen - rejected - 1 / (2 beta))^2, of means over tokens (Azar et al. 2023). */
    IPO,
    /** Cross-entropy of the chosen answers' tokens. */
    SFT;

    private static Optional<LossType> named(String text) {
      return Arrays.stream(values()).filter(type -> type.text().equals(text)).findFirst();
    }
  }

  /** A loss and what it counts. */
  public record Term(LossType type, double weight) {}

  /** What is added up. */
  public List<Term> terms() {
    List<String> types = lossType.isEmpty() ? List.of(LossType.SIGMOID.text()) : lossType;
    List<Term> terms = new ArrayList<>();
    for (int i = 0; i < types.size(); i++) {
      double weight = lossWeights.isEmpty() ? 1 : number(lossWeights.get(i));
      terms.add(new Term(LossType.named(types.get(i)).orElseThrow(), weight));
    }
    rpoAlpha.ifPresent(weight -> terms.add(new Term(LossType.SFT, weight)));
    return terms;
  }

  private static double number(String weight) {
    try {
      double number = Double.parseDouble(weight);
      if (Double.isFinite(number) && number >= 0) {
        return number;
      }
    } catch (NumberFormatException notOne) {
      // As of one that is not allowed.
    }
    throw new UserError("loss_weights has %s, which is no number of at least 0".formatted(weight));
  }

  /** What does not go with an objective. */
  void check(TrainingData data, TrainConfig.Regularization regularization, Problems problems) {
    boolean dpo = data.isPreference();
    lossType.stream()
        .filter(type -> OF_SFT.contains(type) == dpo)
        .forEach(
            type ->
                problems.add(
                    "loss_type is %s, which belongs to objective: %s, but objective is %s"
                        .formatted(type, dpo ? "sft" : "dpo", data.objective().text())));
    problems.addIf(
        dpo && data.overlong() == TrainingData.Overlong.SPLIT,
        () ->
            "overlong is split, but objective is dpo, whose answers are judged whole; use drop, truncate or error");
    problems.addIf(
        dpo && data.crossSampleAttention(),
        () ->
            "cross_sample_attention is true, but objective is dpo, whose two answers must not see each other; leave it out");
    problems.addIf(
        dpo && regularization.labelSmoothingFactor() > 0,
        () ->
            "label_smoothing_factor is %s, but objective is dpo, whose loss is of the answers' log-probabilities; leave it out"
                .formatted(regularization.labelSmoothingFactor()));
  }
}
