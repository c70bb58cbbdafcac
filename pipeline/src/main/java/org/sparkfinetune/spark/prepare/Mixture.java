package org.sparkfinetune.spark.prepare;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.RoundingMode;
import java.util.Comparator;
import java.util.HashMap;
import java.util.Map;
import java.util.OptionalLong;
import java.util.TreeMap;
import org.sparkfinetune.config.PrepareConfig;
import org.sparkfinetune.config.Source;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.spark.prepare.Selection.Stratum;

/**
 * How many rows of each source are taken. No row is taken twice: without {@code num_samples} a
 * mixture by weights is the largest that its scarcest source allows.
 *
 * @param available rows of each stratum that can be taken
 */
record Mixture(PrepareConfig config, Map<Stratum, Long> available) {
  /** Decimals of a weight that count. */
  private static final int WEIGHT_DECIMALS = 6;

  static Mixture of(PrepareConfig config, Map<Stratum, Long> available) {
    return new Mixture(config, new TreeMap<>(available));
  }

  /**
   * Rows of each stratum, those of a source in proportion to the sizes of its strata.
   *
   * @throws UserError if a source has fewer than wanted
   */
  Map<Stratum, Long> taken() {
    if (!config.isMixture()) {
      return Selection.apportioned(all(), available);
    }
    Map<Stratum, Long> taken = new TreeMap<>();
    bySource()
        .forEach(
            (source, rows) -> {
              Map<Stratum, Long> own = new TreeMap<>(available);
              own.keySet().removeIf(stratum -> !stratum.source().equals(source));
              taken.putAll(Selection.apportioned(rows, own));
            });
    return taken;
  }

  private long all() {
    long all = Selection.sum(available);
    long wanted = config.numSamples().orElse(all);
    if (wanted > all) {
      throw new UserError(
          "num_samples: %s rows wanted, but the input has %s that can be taken%s. Take at most %s, or leave the key out to take all."
              .formatted(wanted, all, withoutRepeats(), all));
    }
    return wanted;
  }

  private String withoutRepeats() {
    return config.deduplicate() ? " without repeats" : "";
  }

  private Map<String, Long> bySource() {
    Map<String, Long> has = new TreeMap<>();
    config.sources().forEach(source -> has.put(source.name(), 0L));
    available.forEach((stratum, rows) -> has.merge(stratum.source(), rows, Long::sum));
    Map<String, Long> taken = new HashMap<>();
    Map<String, Long> weights = new TreeMap<>();
    boolean weighted = config.sources().stream().anyMatch(source -> source.weight().isPresent());
    for (Source source : config.sources()) {
      String name = source.name();
      long rows = has.getOrDefault(name, 0L);
      if (source.weight().isPresent()) {
        weights.put(name, units(source.weight().get()));
      } else if (source.numSamples().isPresent()) {
        taken.put(name, exactly(name, source.numSamples().getAsLong(), rows));
      } else if (config.numSamples().isPresent() && !weighted) {
        weights.put(name, rows);
      } else {
        taken.put(name, rows);
      }
    }
    taken.putAll(byWeight(weights, has, Selection.sum(taken)));
    return taken;
  }

  private long exactly(String source, long wanted, long rows) {
    if (wanted > rows) {
      throw new UserError(
          "sources: num_samples of %s is %s, but it has %s rows that can be taken%s. Take at most %s."
              .formatted(source, wanted, rows, withoutRepeats(), rows));
    }
    return wanted;
  }

  /**
   * @param fixed rows of the sources that have no weight
   */
  private Map<String, Long> byWeight(Map<String, Long> weights, Map<String, Long> has, long fixed) {
    OptionalLong wanted = config.numSamples();
    if (weights.isEmpty()) {
      if (wanted.isPresent() && wanted.getAsLong() != fixed) {
        throw new UserError(
            "num_samples: %s rows wanted, but the sources give %s by their own num_samples. Leave one of them out, or give sources a weight."
                .formatted(wanted.getAsLong(), fixed));
      }
      return Map.of();
    }
    long most = most(weights, has);
    long rows = wanted.isPresent() ? wanted.getAsLong() - fixed : most;
    if (rows < 0 || rows > most) {
      throw new UserError(
          "num_samples: %s rows wanted, of which %s come from sources of which all, or a fixed number, is taken; of the others (%s), 0 to %s can be mixed so%s, since no row is taken twice. Change num_samples or the weights."
              .formatted(
                  wanted.orElse(0),
                  fixed,
                  String.join(", ", weights.keySet()),
                  most,
                  withoutRepeats()));
    }
    return Selection.apportioned(rows, weights);
  }

  private static long units(double weight) {
    return BigDecimal.valueOf(weight)
        .movePointRight(WEIGHT_DECIMALS)
        .setScale(0, RoundingMode.HALF_UP)
        .longValueExact();
  }

  /** As many rows as can be mixed by weight until the first source has no more. */
  private static long most(Map<String, Long> weights, Map<String, Long> has) {
    BigInteger sum = BigInteger.valueOf(Selection.sum(weights));
    return weights.entrySet().stream()
        .filter(entry -> entry.getValue() > 0)
        .map(
            entry ->
                BigInteger.valueOf(has.getOrDefault(entry.getKey(), 0L))
                    .multiply(sum)
                    .divide(BigInteger.valueOf(entry.getValue())))
        .min(Comparator.naturalOrder())
        .map(BigInteger::longValueExact)
        .orElse(0L);
  }
}
