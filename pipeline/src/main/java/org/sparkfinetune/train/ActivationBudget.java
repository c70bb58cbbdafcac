package org.sparkfinetune.train;

import com.sun.management.OperatingSystemMXBean;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.exchange.Exchange;
import org.sparkfinetune.fsdp.TrainableGroup;

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

  private static final double MIB = 1 << 20;

  private final long bytes;
  private final long perToken;
  private final long gradients;
  private int groupsSaid;

  ActivationBudget(long bytes, long perToken, long gradients) {
    this.bytes = bytes;
    this.perToken = perToken;
    this.gradients = gradients;
  }

  static ActivationBudget of(
      ModelRecipe recipe, Exchange exchange, Iterable<TrainableGroup> trained) {
    long gradients = 0;
    for (TrainableGroup group : trained) {
      gradients += group.layout().sliceElements() * exchange.worldSize();
    }
    return new ActivationBudget(
        recipe.activationMemory().orElseGet(() -> usual(memory(), ranksOfHost(exchange))),
        recipe.keptPerToken(),
        gradients * Float.BYTES);
  }

  /**
   * For each rank.
   *
   * @param memory bytes, shared by all ranks
   */
  public static long usual(long memory, int ranks) {
    return memory / SHARE / ranks;
  }

  /**
   * Tokens of a group.
   *
   * @param bytes the budget
   * @param gradients bytes that wait if there are several groups
   * @param perToken bytes that all layers keep of a token
   * @param step tokens of a rank's step: all of them if that many are within the budget, or if the
   *     gradients alone are not
   */
  public static long tokens(long bytes, long gradients, long perToken, long step) {
    return perToken * step <= bytes || gradients > bytes ? step : bytes / perToken;
  }

  private static long memory() {
    return ((OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean())
        .getTotalMemorySize();
  }

  private static int ranksOfHost(Exchange exchange) {
    return Collections.frequency(exchange.hosts(), exchange.hosts().get(exchange.rank()));
  }

  /**
   * In order; of each group as many as are within the budget, at least one. A rank without batches
   * has one group too: the others wait for its gradients.
   */
  List<List<TokenBatch>> groups(List<TokenBatch> batches) {
    long all = batches.stream().mapToLong(TokenBatch::tokens).sum();
    long most = tokens(bytes, gradients, perToken, all);
    List<List<TokenBatch>> groups = new ArrayList<>();
    List<TokenBatch> group = new ArrayList<>();
    groups.add(group);
    long tokens = 0;
    for (TokenBatch batch : batches) {
      if (!group.isEmpty() && tokens + batch.tokens() > most) {
        group = new ArrayList<>();
        groups.add(group);
        tokens = 0;
      }
      group.add(batch);
      tokens += batch.tokens();
    }
    say(all, groups.size());
    return groups;
  }

  /** Once, and again if there are more groups. */
  private void say(long tokens, int groups) {
    if (tokens * perToken <= bytes || groups <= groupsSaid) {
      return;
    }
    groupsSaid = groups;
    if (groups > 1) {
      LOG.info(
          "What the layers keep of {} tokens takes {} MiB, more than activation_memory, {} MiB: a"
              + " step runs in {} groups, and fetches each layer so many times as often",
          tokens,
          Math.round(tokens * perToken / MIB),
          Math.round(bytes / MIB),
          groups);
    } else {
      LOG.warn(
          "What the layers keep of {} tokens takes {} MiB, more than activation_memory, {} MiB, and"
              + " so do the gradients, {} MiB, that groups would have to wait with:"
              + " activation_offload: true takes layers' inputs out of memory",
          tokens,
          Math.round(tokens * perToken / MIB),
          Math.round(bytes / MIB),
          Math.round(gradients / MIB));
    }
  }
}
