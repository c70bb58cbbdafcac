package org.sparkfinetune.engine.train;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.sparkfinetune.config.Preference;
import org.sparkfinetune.config.Preference.LossType;
import org.sparkfinetune.config.Preference.Term;
import org.sparkfinetune.engine.train.ReferencePolicy.LogProbs;

/**
 * Direct preference optimisation (Rafailov et al. 2023, equation 7) over the pairs of a split, with
 * the losses and metrics of TRL's DPOTrainer. A row is a pair: the chosen sequence, then the
 * rejected one. The loss is a mean over pairs; that of {@code sft} is one over the chosen answers'
 * tokens.
 */
final class PreferenceLoss {
  /** Names of {@link Sums} that are means over pairs, as TRL logs them. */
  private static final List<String> METRICS =
      List.of(
          "rewards/chosen",
          "rewards/rejected",
          "rewards/accuracies",
          "rewards/margins",
          "logps/chosen",
          "logps/rejected");

  private static final int PAIRS = METRICS.size();
  private static final int CHOSEN_TOKENS = PAIRS + 1;
  private static final int LOSS = PAIRS + 2;
  private static final int CHOSEN_LOSS = PAIRS + 3;

  private final double beta;
  private final List<Term> terms;
  private final double sft;
  private final LogProbs reference;

  PreferenceLoss(Preference settings, LogProbs reference) {
    this.beta = settings.beta();
    this.terms = settings.terms().stream().filter(term -> term.type() != LossType.SFT).toList();
    this.sft =
        settings.terms().stream()
            .filter(term -> term.type() == LossType.SFT)
            .mapToDouble(Term::weight)
            .sum();
    this.reference = reference;
  }

  /** What is added up over pairs: {@link #METRICS}, then how many and their losses. */
  static final class Sums {
    static final int SIZE = PAIRS + 4;

    private final double[] values;

    Sums() {
      this(new double[SIZE]);
    }

    /** Of all ranks. */
    Sums(double[] values) {
      this.values = values;
    }

    double[] values() {
      return values;
    }

    /** All of it behind two other numbers, to be added up over ranks with them. */
    double[] behind(double first, double second) {
      double[] all = new double[2 + SIZE];
      all[0] = first;
      all[1] = second;
      System.arraycopy(values, 0, all, 2, SIZE);
      return all;
    }

    /** What {@link #behind} put there. */
    static Sums endOf(double[] all) {
      return new Sums(Arrays.copyOfRange(all, 2, all.length));
    }

    void add(Sums others) {
      for (int i = 0; i < SIZE; i++) {
        values[i] += others.values[i];
      }
    }

    /** Of the pairs in some batches nothing but how many they are. */
    static Sums counted(List<TokenBatch> batches) {
      Sums sums = new Sums();
      for (TokenBatch batch : batches) {
        for (Pair pair : Pair.of(batch)) {
          sums.values[PAIRS]++;
          sums.values[CHOSEN_TOKENS] += pair.chosenTokens();
        }
      }
      return sums;
    }
  }

  /**
   * A row in a batch.
   *
   * @param row number in its split
   * @param from its first token among the batch's trained ones
   */
  record Pair(int row, int from, int chosenTokens, int rejectedTokens) {
    static List<Pair> of(TokenBatch batch) {
      Pair[] pairs = new Pair[batch.rows().size()];
      int from = 0;
      for (int i = 0; i < pairs.length; i++) {
        int chosen = batch.trainedTokens(2 * i);
        int rejected = batch.trainedTokens(2 * i + 1);
        pairs[i] = new Pair(batch.rows().get(i).number(), from, chosen, rejected);
        from += chosen + rejected;
      }
      return Arrays.asList(pairs);
    }

    /** Log-probability of the chosen answer, from losses of tokens. */
    double chosen(float[] losses) {
      return -sum(losses, from, chosenTokens);
    }

    double rejected(float[] losses) {
      return -sum(losses, from + chosenTokens, rejectedTokens);
    }

    private static double sum(float[] losses, int from, int count) {
      double sum = 0;
      for (int i = from; i < from + count; i++) {
        sum += losses[i];
      }
      return sum;
    }
  }

  /**
   * Adds up a batch.
   *
   * @param losses of its trained tokens
   * @param step of all ranks, whose pairs and tokens the step's loss is a mean over
   * @return the slope of the step's loss by each of {@code losses}
   */
  float[] add(TokenBatch batch, float[] losses, Sums step, Sums sums) {
    float[] weights = new float[losses.length];
    double pairs = step.values[PAIRS];
    double chosenTokens = step.values[CHOSEN_TOKENS];
    for (Pair pair : Pair.of(batch)) {
      double[] slopes = add(pair, losses, sums);
      int middle = pair.from() + pair.chosenTokens();
      // Losses are negative log-probabilities.
      Arrays.fill(weights, pair.from(), middle, (float) (sft / chosenTokens - slopes[0] / pairs));
      Arrays.fill(weights, middle, middle + pair.rejectedTokens(), (float) (-slopes[1] / pairs));
    }
    return weights;
  }

  /** Adds up a batch that nothing is learnt from. */
  void add(TokenBatch batch, float[] losses, Sums sums) {
    Pair.of(batch).forEach(pair -> add(pair, losses, sums));
  }

  /** Slopes of the pair's loss by the log-probabilities of its chosen and its rejected answer. */
  private double[] add(Pair pair, float[] losses, Sums sums) {
    double chosen = pair.chosen(losses);
    double rejected = pair.rejected(losses);
    double chosenRatio = chosen - reference.chosen()[pair.row()];
    double rejectedRatio = rejected - reference.rejected()[pair.row()];
    double loss = 0;
    double[] slopes = new double[2];
    for (Term term : terms) {
      switch (term.type()) {
        case SIGMOID -> {
          double margin = beta * (chosenRatio - rejectedRatio);
          double slope = -term.weight() * beta * sigmoid(-margin);
          loss += term.weight() * logOnePlusExp(-margin);
          slopes[0] += slope;
          slopes[1] -= slope;
        }
        case IPO -> {
          double difference =
              chosenRatio / pair.chosenTokens() - rejectedRatio / pair.rejectedTokens();
          double off = difference - 1 / (2 * beta);
          loss += term.weight() * off * off;
          slopes[0] += term.weight() * 2 * off / pair.chosenTokens();
          slopes[1] -= term.weight() * 2 * off / pair.rejectedTokens();
        }
        case SFT -> throw new IllegalStateException("left out before");
      }
    }
    double[] metrics = {
      beta * chosenRatio,
      beta * rejectedRatio,
      chosenRatio > rejectedRatio ? 1 : 0,
      beta * (chosenRatio - rejectedRatio),
      chosen,
      rejected
    };
    for (int i = 0; i < metrics.length; i++) {
      sums.values[i] += metrics[i];
    }
    sums.values[PAIRS]++;
    sums.values[CHOSEN_TOKENS] += pair.chosenTokens();
    sums.values[LOSS] += loss;
    sums.values[CHOSEN_LOSS] -= chosen;
    return slopes;
  }

  private static double sigmoid(double x) {
    return 1 / (1 + Math.exp(-x));
  }

  /** Of large arguments too. */
  private static double logOnePlusExp(double x) {
    return Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
  }

  /** The loss over the pairs that were added up; not-a-number without any. */
  double loss(Sums sums) {
    double ofTokens = sft == 0 ? 0 : sft * sums.values[CHOSEN_LOSS] / sums.values[CHOSEN_TOKENS];
    return sums.values[LOSS] / sums.values[PAIRS] + ofTokens;
  }

  /** Means over the pairs, by TRL's names. */
  static Map<String, Double> metrics(Sums sums) {
    Map<String, Double> metrics = new LinkedHashMap<>();
    for (int i = 0; i < METRICS.size(); i++) {
      metrics.put(METRICS.get(i), sums.values[i] / sums.values[PAIRS]);
    }
    return metrics;
  }
}
