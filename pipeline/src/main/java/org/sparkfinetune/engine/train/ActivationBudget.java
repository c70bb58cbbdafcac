package org.sparkfinetune.engine.train;

import com.sun.management.OperatingSystemMXBean;
import java.lang.management.ManagementFactory;
import java.util.Collections;
import java.util.List;
import java.util.OptionalLong;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.engine.exchange.ProcessGroup;
import org.sparkfinetune.engine.fsdp.TrainableGroup;
import org.sparkfinetune.engine.tensor.DeviceSizes;
import org.sparkfinetune.engine.tensor.LayerInputs.LayerKeep;
import org.sparkfinetune.model.family.DecoderConfig;
import org.sparkfinetune.model.family.DecoderFamily.QkNorm;

/**
 * Which batches of a step go through the layers together: all, unless what they keep for backward
 * would take more memory than it may. Then a layer is gathered once for each group of batches, and
 * all gradients wait for the last one. The numbers are the same but for the order in which the head
 * takes its tokens.
 */
public final class ActivationBudget {
  private static final Logger LOG = LoggerFactory.getLogger(ActivationBudget.class);

  /** Of a machine's memory, what is taken without a word from the user. */
  private static final int SHARE = 2;

  private final long bytes;
  private final long perToken;
  private final long gradients;
  private int groupsSaid;

  /**
   * @param bytes that may be kept
   * @param perToken bytes that all layers keep of a token
   * @param gradients bytes that wait if there are several groups
   */
  public ActivationBudget(long bytes, long perToken, long gradients) {
    this.bytes = bytes;
    this.perToken = perToken;
    this.gradients = gradients;
  }

  static ActivationBudget of(RankModel model) {
    long gradients = 0;
    for (TrainableGroup group : model.weights().trainable()) {
      gradients += group.layout().sliceElements() * model.exchange().worldSize();
    }
    return new ActivationBudget(
        model.recipe().activationMemory().orElseGet(() -> usual(model)),
        model.recipe().keptPerToken(),
        gradients * Float.BYTES);
  }

  /** A GPU is one rank's alone, the host's memory that of all ranks on it. */
  private static long usual(RankModel model) {
    OptionalLong own = model.ops().torch().device().memory();
    return own.isPresent()
        ? usual(own.getAsLong(), 1)
        : usual(memory(), ranksOfHost(model.exchange()));
  }

  /**
   * For each rank.
   *
   * @param memory bytes, shared by all ranks
   */
  public static long usual(long memory, int ranks) {
    return memory / SHARE / ranks;
  }

  /** Of a rank's step, how many go together: all, where groups would gain nothing. */
  public long tokens(long step) {
    return isWithin(step) || gradients > bytes ? step : bytes / perToken;
  }

  /**
   * Tokens of a batch: no more than may wait together, so that a step can run in groups.
   *
   * @param usual for the model and the device
   */
  public int batchTokens(int usual, DeviceSizes sizes) {
    if (isWithin(usual) || gradients > bytes) {
      return usual;
    }
    long least = Math.min(usual, sizes.leastBatchTokens());
    return (int) Math.max(least, bytes / perToken);
  }

  private boolean isWithin(long tokens) {
    return tokens * perToken <= bytes;
  }

  private static long memory() {
    return ((OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean())
        .getTotalMemorySize();
  }

  private static int ranksOfHost(ProcessGroup exchange) {
    return Collections.frequency(exchange.hosts(), exchange.hosts().get(exchange.rank()));
  }

  /**
   * In order; of each group as many as are within the budget, at least one. A rank without batches
   * has one group too: the others wait for its gradients.
   */
  List<List<TokenBatch>> groups(List<TokenBatch> batches) {
    long all = batches.stream().mapToLong(TokenBatch::length).sum();
    List<List<TokenBatch>> groups =
        batches.isEmpty()
            ? List.of(batches)
            : ConsecutiveRuns.runs(batches, TokenBatch::length, tokens(all));
    say(all, groups.size());
    return groups;
  }

  /** Once, and again if there are more groups. */
  private void say(long tokens, int groups) {
    if (isWithin(tokens) || groups <= groupsSaid) {
      return;
    }
    groupsSaid = groups;
    LOG.warn(
        "What the layers keep of {} tokens takes {} MiB, more than activation_memory, {} MiB: {}",
        tokens,
        mib(tokens * perToken),
        mib(bytes),
        consequence(groups));
  }

  private String consequence(int groups) {
    if (groups > 1) {
      return "a step runs in %s groups, and fetches each layer as many times".formatted(groups);
    }
    String whole =
        gradients > bytes
            ? "groups would have to wait with gradients of %s MiB".formatted(mib(gradients))
            : "it is one batch";
    return whole
        + ", so it runs whole; activation_offload: true takes layers' inputs out of memory";
  }

  private static long mib(long bytes) {
    return bytes >> 20;
  }

  /**
   * Bytes that wait between a layer's forward and its backward, for one token, as {@code layer} in
   * {@code scripts.py} keeps them.
   */
  public static final class LayerActivations {
    private LayerActivations() {}

    /**
     * The layer's input.
     *
     * @param stored bytes of a number
     */
    public static long input(DecoderConfig model, int stored) {
      return (long) model.hiddenSize() * stored;
    }

    /**
     * What is kept beside it: q, k, v, attention, its sums, h, (2Q + 2K + H) numbers and a float32
     * for each head; then n1, n2, gate, up, (2H + 2I) numbers; and what comes before norms of q, k,
     * attention and MLP, where the family has them.
     *
     * @param compute bytes of a number
     */
    public static long rest(DecoderConfig model, int compute, LayerKeep keep) {
      long hidden = model.hiddenSize();
      long queries = model.queryWidth();
      long keys = model.keyWidth();
      long after = model.family().norms().after() ? hidden : 0;
      long normed = model.family().qkNorm() == QkNorm.NONE ? 0 : queries + keys;
      long attended =
          (2 * queries + 2 * keys + hidden + normed + after) * compute
              + (long) Float.BYTES * model.numAttentionHeads();
      return switch (keep) {
        case NOTHING -> 0;
        case ATTENTION -> attended;
        case EVERYTHING ->
            attended + (2 * hidden + 2L * model.activeIntermediateSize() + after) * compute;
      };
    }
  }
}
