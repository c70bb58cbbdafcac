package org.sparkfinetune.engine.train;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.sparkfinetune.engine.exchange.ProcessGroup;
import org.sparkfinetune.engine.fsdp.AdamMoments;
import org.sparkfinetune.engine.fsdp.DeviceCollectives;
import org.sparkfinetune.engine.fsdp.FrozenLayout;
import org.sparkfinetune.engine.fsdp.FrozenReader;
import org.sparkfinetune.engine.fsdp.ShardPlan;
import org.sparkfinetune.engine.fsdp.ShardRanks;
import org.sparkfinetune.engine.fsdp.ShardStore;
import org.sparkfinetune.engine.fsdp.ShardWriter;
import org.sparkfinetune.engine.fsdp.TrainableGroup;
import org.sparkfinetune.engine.fsdp.TrainableLayout;
import org.sparkfinetune.engine.fsdp.WeightDecoder;
import org.sparkfinetune.engine.fsdp.WeightSource;
import org.sparkfinetune.engine.fsdp.Workers;
import org.sparkfinetune.engine.tensor.Ops;
import org.sparkfinetune.engine.tensor.Scope;
import org.sparkfinetune.engine.tensor.Torch;
import org.sparkfinetune.engine.train.ActivationStore.ActivationFile;
import org.sparkfinetune.model.quant.Nf4Codec;

/** A sharded model on one rank: its shard file served, its slice of the trainable weights held. */
final class RankModel implements AutoCloseable {
  private final ModelRecipe recipe;
  private final Ops ops;
  private final ProcessGroup exchange;
  private final Optional<DeviceCollectives> onDevice;
  private final Scope scope;
  private final Workers workers;
  private final ShardPlan plan;
  private final Weights weights;
  private final DecoderLayers layers;
  private final RouterBalance balance;
  private final ExpertLayers experts;
  private final ActivationStore inputs;
  private final ActivationStore kept;

  private RankModel(
      ModelRecipe recipe,
      Torch torch,
      ProcessGroup exchange,
      Optional<DeviceCollectives> onDevice,
      Path activationFile) {
    this.recipe = recipe;
    this.ops = new Ops(torch);
    this.exchange = exchange;
    this.onDevice = onDevice;
    this.scope = torch.scope();
    this.workers = new Workers(torch.threads());
    List<ModelGroups.Group> groups = ModelGroups.of(recipe.config(), recipe.method());
    this.plan = plan(recipe, recipe.sharding().frozenRanks(exchange));
    FrozenReader frozen =
        new FrozenReader(
            plan,
            exchange,
            WeightDecoder.of(ops, Nf4Codec.fastest(), workers, scope, recipe.residentBytes()),
            recipe.sharding().reshard());
    List<TrainableGroup> trainable = trainable(groups);
    this.weights = new Weights(ops, recipe, frozen, groups, trainable, scope);
    DropoutMasks dropout =
        new DropoutMasks(recipe.dropout(), recipe.seed(), recipe.config(), workers);
    this.layers =
        new DecoderLayers(
            ops, recipe.config(), recipe.precision(), dropout, recipe.loraTargets(), scope);
    this.balance = new RouterBalance(recipe.routerBalance(), recipe.config());
    this.experts = new ExpertLayers(ops, recipe.config(), weights, balance);
    this.kept = new ActivationBlocks(ops, scope);
    this.inputs =
        switch (recipe.inputs()) {
          case IN_MEMORY -> kept;
          case IN_A_FILE -> ActivationFile.create(ops, activationFile);
        };
  }

  /** The frozen groups of a model between some ranks. */
  static ShardPlan plan(ModelRecipe recipe, ShardRanks ranks) {
    Map<String, FrozenLayout> layouts = new LinkedHashMap<>();
    for (ModelGroups.Group group : ModelGroups.of(recipe.config(), recipe.method())) {
      if (!group.quantized().isEmpty() || !group.plain().isEmpty()) {
        layouts.put(
            group.name(),
            new FrozenLayout(group.quantized(), group.plain(), recipe.plainType(), ranks.size()));
      }
    }
    return new ShardPlan(layouts, ranks);
  }

  /**
   * Gradients go through the hosts' memory.
   *
   * @see #load(ModelRecipe, Torch, ProcessGroup, Optional, WeightSource, WeightSource, Path,
   *     Optional)
   */
  static RankModel load(
      ModelRecipe recipe,
      Torch torch,
      ProcessGroup exchange,
      WeightSource frozenSource,
      WeightSource trainableSource,
      Path scratch,
      Optional<ShardStore> store) {
    return load(
        recipe, torch, exchange, Optional.empty(), frozenSource, trainableSource, scratch, store);
  }

  /**
   * Makes this rank's shard of the checkpoint, or finds it, and serves it; all ranks together.
   *
   * @param onDevice how gradients go between ranks, where they can go from GPU to GPU; closed with
   *     the model
   * @param frozenSource the base model
   * @param trainableSource first values of what is trained
   * @param scratch for files of this process alone
   * @param store where shard files are kept for later runs, if they are
   */
  static RankModel load(
      ModelRecipe recipe,
      Torch torch,
      ProcessGroup exchange,
      Optional<DeviceCollectives> onDevice,
      WeightSource frozenSource,
      WeightSource trainableSource,
      Path scratch,
      Optional<ShardStore> store) {
    RankModel model;
    try {
      model = new RankModel(recipe, torch, exchange, onDevice, scratch.resolve("activations"));
    } catch (RuntimeException | Error e) {
      onDevice.ifPresent(DeviceCollectives::close);
      throw e;
    }
    try {
      model.weights.trainable().forEach(group -> group.load(trainableSource));
      ShardWriter writer = new ShardWriter(model.plan, frozenSource, exchange, Nf4Codec.fastest());
      exchange.serve(writer.shard(scratch, store));
      return model;
    } catch (RuntimeException | Error e) {
      model.close();
      throw e;
    }
  }

  private List<TrainableGroup> trainable(List<ModelGroups.Group> groups) {
    List<TrainableGroup> trainable = new ArrayList<>();
    AdamMoments.Factory moments = AdamMoments.Factory.of(recipe.moments(), ops, scope);
    int unit = recipe.moments().unit();
    for (ModelGroups.Group group : groups) {
      TrainableLayout layout = new TrainableLayout(group.trained(), exchange.worldSize(), unit);
      if (!layout.isEmpty()) {
        trainable.add(
            new TrainableGroup(group.name(), layout, exchange, onDevice, ops, moments, scope));
      }
    }
    return trainable;
  }

  ModelRecipe recipe() {
    return recipe;
  }

  Ops ops() {
    return ops;
  }

  ProcessGroup exchange() {
    return exchange;
  }

  Weights weights() {
    return weights;
  }

  DecoderLayers layers() {
    return layers;
  }

  /** What layers with experts compute. */
  ExpertLayers experts() {
    return experts;
  }

  /** The loss that balances experts. */
  RouterBalance balance() {
    return balance;
  }

  /** Where the inputs of layers wait. */
  ActivationStore inputs() {
    return inputs;
  }

  /** Where all else waits that layers keep. */
  ActivationStore kept() {
    return kept;
  }

  /** Bytes of this rank's shard file. */
  long shardBytes() {
    return plan.fileBytes();
  }

  /** Peers may be reading what was published, if this rank failed. */
  @Override
  public void close() {
    onDevice.ifPresent(DeviceCollectives::close);
    weights.frozen().close();
    workers.close();
    if (exchange.withdraw()) {
      scope.close();
    } else {
      scope.abandon("a peer still reads this rank's weights");
    }
    inputs.close();
  }
}
