package org.sparkfinetune.engine.metrics;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.Collections;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.TreeMap;
import java.util.stream.DoubleStream;
import java.util.stream.Stream;
import org.sparkfinetune.store.Store;

/**
 * {@code summary.json}: what a finished run amounts to. Written last, so that its being there says
 * that the run has ended.
 *
 * @param trainRuntime seconds, over all attempts
 * @param tokensPerSecond see {@link #medianSpeed}
 * @param trainLoss mean over the steps
 * @param evalLoss of the last evaluation; null in the file where there was none
 * @param best where evaluations had a bearing on the run
 * @param secondsByPhase of rank 0; phases that are missing took no time
 */
public record Summary(
    long steps,
    double trainRuntime,
    double tokensPerSecond,
    double trainLoss,
    OptionalDouble evalLoss,
    Optional<Best> best,
    int attempts,
    List<RankSummary> ranks,
    Map<Phase, Double> secondsByPhase) {

  public Summary {
    ranks = List.copyOf(ranks);
    Map<Phase, Double> all = new EnumMap<>(Phase.class);
    for (Phase phase : Phase.values()) {
      all.put(phase, secondsByPhase.getOrDefault(phase, 0.0));
    }
    secondsByPhase = Collections.unmodifiableMap(all);
  }

  /**
   * The best evaluation.
   *
   * @param metric as {@code eval_loss}
   * @param step after which it was
   * @param isResult whether the run's result is the model of that step
   */
  public record Best(String metric, double value, long step, boolean isResult)
      implements Serializable {
    private static final long serialVersionUID = 1L;

    private void addTo(ObjectNode node) {
      node.put("metric_for_best_model", metric)
          .put("best_metric", value)
          .put("best_step", step)
          .put("load_best_model_at_end", isResult);
    }

    private static Optional<Best> of(JsonNode node) {
      return node.has("best_step")
          ? Optional.of(
              new Best(
                  node.path("metric_for_best_model").asText(),
                  node.path("best_metric").asDouble(),
                  node.path("best_step").asLong(),
                  node.path("load_best_model_at_end").asBoolean()))
          : Optional.empty();
    }
  }

  /** The median over steps, the first left out: it compiles and warms up. 0 without a step. */
  public static double medianSpeed(double... tokensPerSecondOfSteps) {
    double[] sorted =
        DoubleStream.of(tokensPerSecondOfSteps)
            .skip(tokensPerSecondOfSteps.length > 1 ? 1 : 0)
            .sorted()
            .toArray();
    int middle = sorted.length / 2;
    if (sorted.length == 0) {
      return 0;
    }
    return sorted.length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  }

  /** Of rank 0. */
  public ExchangeSummary.Bottleneck bottleneck() {
    return firstExchange().bottleneck(secondsByPhase);
  }

  /** The part of the steps' time in which rank 0 waited for others. */
  public double waitedShare() {
    return firstExchange().waitedShare(secondsByPhase);
  }

  private ExchangeSummary firstExchange() {
    return ranks.stream().findFirst().map(RankSummary::exchange).orElse(ExchangeSummary.NONE);
  }

  /** Adds what {@code provenance.json} says of the data that were used. */
  public void write(RunFolder folder, Store files) {
    ObjectNode node = json();
    Provenance.read(folder, files).ifPresent(from -> node.set("data", from.dataJson()));
    files.replace(folder.summary(), Json.bytes(node));
  }

  /** The summary of a run that has ended; empty for others. */
  public static Optional<Summary> read(RunFolder folder, Store files) {
    return Json.read(folder.summary(), files).map(Summary::of);
  }

  private ObjectNode json() {
    ObjectNode node =
        JsonNodeFactory.instance
            .objectNode()
            .put("steps", steps)
            .put("train_runtime", trainRuntime)
            .put("tokens_per_second", tokensPerSecond)
            .put("train_loss", trainLoss);
    evalLoss.ifPresentOrElse(loss -> node.put("eval_loss", loss), () -> node.putNull("eval_loss"));
    best.ifPresent(one -> one.addTo(node));
    node.put("attempts", attempts).put("bottleneck", bottleneck().text());
    ArrayNode rankNodes = node.putArray("ranks");
    ranks.forEach(rank -> rankNodes.add(json(rank)));
    ObjectNode seconds = node.putObject("seconds_by_phase");
    secondsByPhase.forEach((phase, time) -> seconds.put(phase.text(), time));
    return node;
  }

  private static ObjectNode json(RankSummary use) {
    ObjectNode node =
        JsonNodeFactory.instance
            .objectNode()
            .put("rank", use.rank())
            .put("host", use.host())
            .put("peak_rss_bytes", use.peakRssBytes())
            .put("peak_anonymous_bytes", use.peakAnonymousBytes())
            .put("peak_gpu_bytes", use.peakGpuBytes())
            .put("shard_bytes", use.shardBytes());
    ExchangeSummary exchange = use.exchange();
    node.putObject("exchange")
        .put("mapped_bytes", exchange.mappedBytes())
        .put("received_bytes", exchange.receivedBytes())
        .put("sent_bytes", exchange.sentBytes())
        .put("seconds_waited", exchange.secondsWaited());
    if (!use.anonymousBytesByPhase().isEmpty()) {
      ObjectNode phases = node.putObject("anonymous_bytes_by_phase");
      use.anonymousBytesByPhase().forEach((phase, bytes) -> phases.put(phase.text(), bytes));
    }
    return node;
  }

  private static Summary of(JsonNode node) {
    List<RankSummary> ranks = new ArrayList<>();
    node.path("ranks").forEach(rank -> ranks.add(rankOf(rank)));
    Map<Phase, Double> seconds = new EnumMap<>(Phase.class);
    for (Phase phase : Phase.values()) {
      seconds.put(phase, node.path("seconds_by_phase").path(phase.text()).asDouble());
    }
    JsonNode evalLoss = node.path("eval_loss");
    return new Summary(
        node.path("steps").asLong(),
        node.path("train_runtime").asDouble(),
        node.path("tokens_per_second").asDouble(),
        node.path("train_loss").asDouble(Double.NaN),
        evalLoss.isNumber() ? OptionalDouble.of(evalLoss.asDouble()) : OptionalDouble.empty(),
        Best.of(node),
        node.path("attempts").asInt(),
        ranks,
        seconds);
  }

  private static RankSummary rankOf(JsonNode node) {
    Map<Phase, Long> phases = new EnumMap<>(Phase.class);
    for (Phase phase : Phase.values()) {
      JsonNode bytes = node.path("anonymous_bytes_by_phase").path(phase.text());
      if (bytes.isIntegralNumber()) {
        phases.put(phase, bytes.asLong());
      }
    }
    return new RankSummary(
        node.path("rank").asInt(),
        node.path("host").asText(),
        node.path("peak_rss_bytes").asLong(),
        node.path("peak_anonymous_bytes").asLong(),
        node.path("peak_gpu_bytes").asLong(),
        node.path("shard_bytes").asLong(),
        exchangeOf(node.path("exchange")),
        phases);
  }

  private static ExchangeSummary exchangeOf(JsonNode node) {
    return new ExchangeSummary(
        node.path("mapped_bytes").asLong(),
        node.path("received_bytes").asLong(),
        node.path("sent_bytes").asLong(),
        node.path("seconds_waited").asDouble());
  }

  /**
   * What one rank had of others, loading and checkpoints included.
   *
   * @param mappedBytes frozen weights read in other ranks' files on the same host: nothing moved
   * @param receivedBytes fetched over the network
   * @param sentBytes pushed over the network, or fetched from this rank
   * @param secondsWaited since the model was loaded, for bytes and for slower ranks
   */
  public record ExchangeSummary(
      long mappedBytes, long receivedBytes, long sentBytes, double secondsWaited)
      implements Serializable {
    private static final long serialVersionUID = 1L;

    /** Of a rank that is alone. */
    public static final ExchangeSummary NONE = new ExchangeSummary(0, 0, 0, 0);

    /** What steps' time goes into, mostly. */
    public enum Bottleneck {
      COMPUTE,
      /** Waiting for bytes of other ranks, or for slower ranks. */
      EXCHANGE;

      /** As in files. */
      public String text() {
        return name().toLowerCase(Locale.ROOT);
      }
    }

    /** Exchange, where more than half of the steps' time was waiting. */
    public Bottleneck bottleneck(Map<Phase, Double> seconds) {
      return waitedShare(seconds) > 0.5 ? Bottleneck.EXCHANGE : Bottleneck.COMPUTE;
    }

    /**
     * The part of the steps' time in which the rank waited for others.
     *
     * @param seconds of the rank's phases
     */
    public double waitedShare(Map<Phase, Double> seconds) {
      double steps =
          Stream.of(Phase.FORWARD, Phase.BACKWARD, Phase.EXCHANGE, Phase.OPTIMIZER)
              .mapToDouble(phase -> seconds.getOrDefault(phase, 0.0))
              .sum();
      return steps == 0 ? 0 : secondsWaited / steps;
    }
  }

  /**
   * What one rank used.
   *
   * @param peakRssBytes largest resident set, mapped files included
   * @param peakAnonymousBytes largest part of it that no file is behind
   * @param peakGpuBytes 0 on a CPU
   * @param shardBytes its share of the frozen weights, as stored
   * @param exchange what it had of other ranks
   * @param anonymousBytesByPhase the largest part that no file is behind, in each phase
   */
  public record RankSummary(
      int rank,
      String host,
      long peakRssBytes,
      long peakAnonymousBytes,
      long peakGpuBytes,
      long shardBytes,
      ExchangeSummary exchange,
      Map<Phase, Long> anonymousBytesByPhase)
      implements java.io.Serializable {
    private static final long serialVersionUID = 1L;

    public RankSummary {
      anonymousBytesByPhase = Collections.unmodifiableMap(new TreeMap<>(anonymousBytesByPhase));
    }

    /** Where nothing is known of other ranks and phases. */
    public RankSummary(
        int rank,
        String host,
        long peakRssBytes,
        long peakAnonymousBytes,
        long peakGpuBytes,
        long shardBytes) {
      this(
          rank,
          host,
          peakRssBytes,
          peakAnonymousBytes,
          peakGpuBytes,
          shardBytes,
          ExchangeSummary.NONE,
          Map.of());
    }
  }

  /** What a rank's time goes into; together all of a run. */
  public enum Phase {
    LOAD,
    TOKENIZE,
    FORWARD,
    BACKWARD,
    /** Waiting for other ranks' bytes; what was overlapped with computing is not in it. */
    EXCHANGE,
    OPTIMIZER,
    CHECKPOINT,
    IDLE;

    /** The key in {@code seconds_by_phase}. */
    public String text() {
      return name().toLowerCase(Locale.ROOT);
    }
  }
}
