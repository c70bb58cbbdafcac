package org.sparkfinetune.engine.fsdp;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.List;
import java.util.Map;
import org.sparkfinetune.engine.exchange.InProcessGroup;
import org.sparkfinetune.engine.exchange.ProcessGroup;
import org.sparkfinetune.engine.fsdp.WeightSource.PlainType;
import org.sparkfinetune.model.quant.Nf4Codec;
import org.sparkfinetune.model.safetensors.NamedShape;

/** A run of a tiny model that finds the disk full and deletes whatever it may of a shard store. */
public final class Eviction {
  private Eviction() {}

  /** The words are the store's folder. */
  public static void main(String[] words) throws IOException {
    in(Path.of(words[0]));
  }

  static void in(Path store) throws IOException {
    ProcessGroup alone = InProcessGroup.alone();
    FrozenLayout layout =
        new FrozenLayout(List.of(), List.of(NamedShape.of("norm", 8)), PlainType.FLOAT32, 1);
    ShardPlan plan = new ShardPlan(Map.of("group", layout), ShardRanks.all(alone));
    WeightSource weights = (name, first, to, count) -> {};
    Path scratch = Files.createTempDirectory("eviction");
    try (ShardStore evicting = new ShardStore(store, "evicting", InstantSource.system(), 1)) {
      // Only a run that writes its shard makes room for it.
      Files.deleteIfExists(store.resolve("evicting-0-of-1.shard"));
      ShardWriter writer = new ShardWriter(plan, weights, alone, Nf4Codec.fastest());
      evicting.file(plan, writer, alone, scratch.resolve("shard"));
    } finally {
      Files.deleteIfExists(scratch.resolve("shard"));
      Files.delete(scratch);
    }
  }
}
