package org.sparkfinetune.engine.train;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.sparkfinetune.bench.ModelMaker;
import org.sparkfinetune.bench.ModelShape;
import org.sparkfinetune.config.ConfigLoader;
import org.sparkfinetune.config.TrainConfig;
import org.sparkfinetune.engine.exchange.ExchangeSettings;
import org.sparkfinetune.engine.exchange.InProcessGroup;
import org.sparkfinetune.engine.exchange.ProcessGroup;
import org.sparkfinetune.engine.exchange.Shard;
import org.sparkfinetune.engine.exchange.Shard.FileRange;
import org.sparkfinetune.engine.fsdp.ShardPlan;
import org.sparkfinetune.engine.fsdp.ShardRanks;
import org.sparkfinetune.engine.fsdp.ShardWriter;
import org.sparkfinetune.engine.tensor.ComputeDevice;
import org.sparkfinetune.model.peft.AdapterConfig;
import org.sparkfinetune.model.quant.Nf4Codec;
import org.sparkfinetune.store.Store;

/** A model that lies on the disk as shards keep it is not copied. */
class ShardInPlaceTest {
  private static final ModelShape SHAPE =
      ModelShape.named(Variant.VARIANTS.resolve("biased/config.json").toString());

  @TempDir Path folder;

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3})
  void ranges_of_the_checkpoint_are_the_bytes_of_a_shard_file(int ranks) throws Exception {
    Path model = folder.resolve("model");
    ModelMaker.write(SHAPE, 5, model, ModelMaker.Storage.NF4);
    List<ProcessGroup> group = InProcessGroup.group(ranks, ExchangeSettings.defaults());
    List<CompletableFuture<Void>> all =
        group.stream()
            .map(
                exchange ->
                    CompletableFuture.runAsync(
                        () -> compare(model, exchange), task -> new Thread(task).start()))
            .toList();
    all.forEach(CompletableFuture::join);
  }

  private void compare(Path model, ProcessGroup exchange) {
    try (BaseModel base = BaseModel.open(model.toString(), new Store(new Configuration()))) {
      ShardPlan plan = RankModel.plan(recipe(model, base), ShardRanks.all(exchange));
      ShardWriter writer = new ShardWriter(plan, base.weights(), exchange, Nf4Codec.fastest());
      Path scratch = Files.createDirectories(folder.resolve("scratch-" + exchange.rank()));
      Path file = scratch.resolve("written");
      writer.write(file, 0, groups -> {});
      Shard shard = writer.shard(scratch, Optional.empty());
      assertThat(bytes(shard)).isEqualTo(Files.readAllBytes(file));
      long copied =
          shard.ranges().stream()
              .filter(range -> !range.file().startsWith(model))
              .mapToLong(FileRange::length)
              .sum();
      // Constants, and what fills up to whole pages.
      assertThat(copied).isPositive().isLessThan(4096L * plan.groups().size());
      assertThat(scratch.resolve("shard")).doesNotExist();
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  @Test
  void what_has_to_be_quantised_first_gets_a_file() throws IOException {
    Path model = folder.resolve("model");
    ModelMaker.write(SHAPE, 5, model, ModelMaker.Storage.BF16);
    try (BaseModel base = BaseModel.open(model.toString(), new Store(new Configuration()))) {
      ProcessGroup alone = InProcessGroup.alone();
      ShardPlan plan = RankModel.plan(recipe(model, base), ShardRanks.all(alone));
      Shard shard =
          new ShardWriter(plan, base.weights(), alone, Nf4Codec.fastest())
              .shard(folder, Optional.empty());
      assertThat(shard.ranges()).extracting(FileRange::file).containsOnly(folder.resolve("shard"));
    }
  }

  private static ModelRecipe recipe(Path model, BaseModel base) {
    List<String> words =
        List.of("--model_id", model.toString(), "--dataset_path", "d", "--output_dir", "o");
    TrainConfig config =
        new ConfigLoader(new Configuration()).train(Optional.empty(), words).config();
    return ModelRecipe.of(
        config, AdapterConfig.of(config.lora()), base, new ComputeDevice.Cpu(), 0);
  }

  private static byte[] bytes(Shard shard) throws IOException {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    for (FileRange range : shard.ranges()) {
      byte[] all = Files.readAllBytes(range.file());
      out.write(
          Arrays.copyOfRange(all, (int) range.offset(), (int) (range.offset() + range.length())));
    }
    return out.toByteArray();
  }
}
