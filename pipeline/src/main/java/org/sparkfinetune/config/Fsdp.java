package org.sparkfinetune.config;

import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;

/** The words of the {@code fsdp} key: at most one strategy, {@code offload}, {@code auto_wrap}. */
record Fsdp(ShardingStrategy strategy, boolean offload, boolean autoWrap) {

  private static final String OFFLOAD = "offload";
  private static final String AUTO_WRAP = "auto_wrap";
  static final String ALLOWED =
      "one of full_shard, shard_grad_op, no_shard, hybrid_shard, and beside it offload and"
          + " auto_wrap, with spaces between";

  static Optional<Fsdp> of(List<String> words) {
    Set<ShardingStrategy> strategies = EnumSet.noneOf(ShardingStrategy.class);
    for (String word : words) {
      Optional<ShardingStrategy> strategy = strategy(word);
      strategy.ifPresent(strategies::add);
      if (strategy.isEmpty() && !word.equals(OFFLOAD) && !word.equals(AUTO_WRAP)) {
        return Optional.empty();
      }
    }
    if (words.isEmpty() || strategies.size() > 1) {
      return Optional.empty();
    }
    ShardingStrategy strategy = strategies.stream().findFirst().orElse(ShardingStrategy.FULL_SHARD);
    return Optional.of(new Fsdp(strategy, words.contains(OFFLOAD), words.contains(AUTO_WRAP)));
  }

  String text() {
    List<String> words = new ArrayList<>(List.of(strategy.text()));
    if (autoWrap) {
      words.add(AUTO_WRAP);
    }
    if (offload) {
      words.add(OFFLOAD);
    }
    return String.join(" ", words);
  }

  private static Optional<ShardingStrategy> strategy(String word) {
    return Stream.of(ShardingStrategy.values()).filter(s -> s.text().equals(word)).findFirst();
  }
}
