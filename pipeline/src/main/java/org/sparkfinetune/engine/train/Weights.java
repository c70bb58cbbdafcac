package org.sparkfinetune.engine.train;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import org.sparkfinetune.engine.fsdp.FrozenReader;
import org.sparkfinetune.engine.fsdp.TrainableGroup;
import org.sparkfinetune.engine.fsdp.TrainableLayout;
import org.sparkfinetune.engine.tensor.Ops;
import org.sparkfinetune.engine.tensor.Scope;
import org.sparkfinetune.engine.tensor.Tensor;
import org.sparkfinetune.engine.tensor.Tensor.ElementType;
import org.sparkfinetune.engine.train.ModelRecipe.Precision;
import org.sparkfinetune.engine.train.ModelRecipe.Sharding;
import org.sparkfinetune.model.family.ModuleNames;
import org.sparkfinetune.model.peft.LoraTargets;
import org.sparkfinetune.model.safetensors.NamedShape;

/**
 * Gathers groups of weights for computing. Frozen tensors of layers go to buffers that every layer
 * uses in turn; trainable ones are gathered at the version asked for.
 */
final class Weights {
  /** Waiting for slices of frozen weights and decoding them, in {@link Ops}' times. */
  static final String UNSHARD = "unshard";

  private final Ops ops;
  private final Precision precision;
  private final Sharding sharding;
  private final FrozenReader frozen;
  private final Optional<LoraTargets> lora;
  private final ModuleNames names;
  private final Map<String, ModelGroups.Group> groups = new LinkedHashMap<>();
  private final Map<String, TrainableGroup> trainable = new LinkedHashMap<>();
  private final Map<String, List<CompletableFuture<ByteBuffer>>> fetched = new HashMap<>();
  private final Map<String, TrainableGroup.Slices> fetchedTrainable = new HashMap<>();
  private final Map<String, Tensor> layerBuffers = new HashMap<>();
  private final Map<String, Flat> kept = new HashMap<>();
  private final Scope buffers;

  Weights(
      Ops ops,
      ModelRecipe recipe,
      FrozenReader frozen,
      List<ModelGroups.Group> groups,
      List<TrainableGroup> trainable,
      Scope buffers) {
    this.ops = ops;
    this.precision = recipe.precision();
    this.sharding = recipe.sharding();
    this.frozen = frozen;
    this.lora = recipe.loraTargets();
    this.names = recipe.config().names();
    this.buffers = buffers;
    groups.forEach(group -> this.groups.put(group.name(), group));
    trainable.forEach(group -> this.trainable.put(group.name(), group));
  }

  /** A group's tensors by name, in the compute type. */
  record Gathered(Map<String, Tensor> tensors) {
    Optional<Tensor> find(String name) {
      return Optional.ofNullable(tensors.get(name));
    }

    Tensor tensor(String name) {
      return find(name)
          .orElseThrow(() -> new IllegalStateException("no weight " + name + " was gathered"));
    }
  }

  /** Whether the head is a weight of its own, not the embedding's. */
  boolean hasHead() {
    return groups.containsKey(ModelGroups.HEAD);
  }

  ModelGroups.Group group(String name) {
    ModelGroups.Group group = groups.get(name);
    if (group == null) {
      throw new IllegalArgumentException("no group " + name);
    }
    return group;
  }

  Optional<TrainableGroup> trainable(String name) {
    return Optional.ofNullable(trainable.get(name));
  }

  Iterable<TrainableGroup> trainable() {
    return trainable.values();
  }

  FrozenReader frozen() {
    return frozen;
  }

  /**
   * Asks for a group's frozen bytes without waiting for them, and for the trainable weights beside
   * them: asked for later, those would come behind the frozen bytes of the group after it. A group
   * that is all trained is not asked for early: twice its size would have to be held. Every group
   * that is asked for has to be gathered at the same version afterwards.
   */
  void prefetch(String name, long version) {
    if (sharding.prefetch() == Sharding.Prefetch.NONE || !hasFrozen(name)) {
      return;
    }
    trainable(name)
        .filter(group -> kept(group, version).isEmpty())
        .ifPresent(group -> fetchedTrainable.computeIfAbsent(name, key -> group.fetch(version)));
    fetched.computeIfAbsent(name, frozen::fetch);
  }

  /**
   * A layer's weights, in buffers that the next call overwrites.
   *
   * @param version of the trainable weights: optimizer steps done
   */
  Gathered layer(Scope scope, String name, long version) {
    Map<String, Tensor> tensors = new HashMap<>();
    if (hasFrozen(name)) {
      decode(name, tensor -> layerBuffer(name, tensor), tensors);
    }
    addTrainable(scope, name, version, tensors);
    lora.filter(LoraTargets::ofBase).ifPresent(targets -> subtractFirst(scope, targets, tensors));
    return new Gathered(tensors);
  }

  /** Of each of some experts gate, up and down, in buffers that the next call overwrites. */
  List<List<Tensor>> experts(ModelGroups.ExpertGroup group) {
    List<NamedShape> all = new ArrayList<>(group(group.name()).quantized());
    all.addAll(group(group.name()).plain());
    Map<String, Tensor> tensors = new HashMap<>();
    decode(group.name(), tensor -> buffer("expert " + all.indexOf(tensor), tensor), tensors);
    List<List<Tensor>> experts = new ArrayList<>();
    int each = all.size() / group.count();
    for (int first = 0; first < all.size(); first += each) {
      experts.add(
          all.subList(first, first + each).stream()
              .map(tensor -> tensorOf(tensors, tensor.name()))
              .toList());
    }
    return experts;
  }

  /** Any other group's weights, in memory of {@code scope}. */
  Gathered whole(Scope scope, String name, long version) {
    Map<String, Tensor> tensors = new HashMap<>();
    if (hasFrozen(name)) {
      decode(name, tensor -> ops.empty(scope, precision.compute(), tensor.dimensions()), tensors);
    }
    addTrainable(scope, name, version, tensors);
    return new Gathered(tensors);
  }

  /**
   * Tokens whose embeddings are trained beside a frozen table.
   *
   * @param ids (k)
   * @param rows (k, H), compute type
   */
  record TokenRows(List<Integer> ids, Tensor rows) {}

  /** Those tokens, in the order of their rows. */
  List<Integer> tokens() {
    return lora.map(LoraTargets::tokens).orElse(List.of());
  }

  /** What is trained of a frozen embedding, if anything is. */
  Optional<TokenRows> tokenRows(Scope scope, long version) {
    return lora.flatMap(LoraTargets::tokenRows)
        .map(
            shape ->
                new TokenRows(
                    lora.orElseThrow().tokens(),
                    whole(scope, ModelGroups.TOKENS, version).tensor(shape.name())));
  }

  private boolean hasFrozen(String name) {
    ModelGroups.Group group = group(name);
    return !group.quantized().isEmpty() || !group.plain().isEmpty();
  }

  private void decode(
      String name,
      java.util.function.Function<NamedShape, Tensor> memory,
      Map<String, Tensor> tensors) {
    ModelGroups.Group group = group(name);
    group.quantized().forEach(t -> tensors.put(t.name(), memory.apply(t)));
    group.plain().forEach(t -> tensors.put(t.name(), memory.apply(t)));
    List<CompletableFuture<ByteBuffer>> slices =
        Optional.ofNullable(fetched.remove(name)).orElseGet(() -> frozen.fetch(name));
    ops.torch()
        .times()
        .in(UNSHARD, () -> frozen.decode(name, slices, t -> tensorOf(tensors, t.name())));
  }

  /** W is less by what adapters began as, where they began as parts of it; without dropout. */
  private void subtractFirst(Scope scope, LoraTargets targets, Map<String, Tensor> tensors) {
    for (String name : tensors.keySet()) {
      if (LoraTargets.isA(name)) {
        String module = name.substring(0, name.indexOf(".lora_"));
        ops.subtractProduct(
            scope,
            tensorOf(tensors, names.here(module + ".weight")),
            tensorOf(tensors, LoraTargets.first(name)),
            tensorOf(tensors, LoraTargets.first(LoraTargets.nameB(module))),
            targets.scaling(module));
      }
    }
  }

  private static Tensor tensorOf(Map<String, Tensor> tensors, String name) {
    return new Gathered(tensors).tensor(name);
  }

  /** Layers have equal shapes, so a tensor's name within its layer finds its buffer. */
  private Tensor layerBuffer(String group, NamedShape tensor) {
    String within = tensor.name().substring(tensor.name().indexOf(group) + group.length());
    return buffer(within, tensor);
  }

  private Tensor buffer(String name, NamedShape tensor) {
    return layerBuffers.computeIfAbsent(
        name, key -> ops.empty(buffers, precision.compute(), tensor.dimensions()));
  }

  private void addTrainable(Scope scope, String name, long version, Map<String, Tensor> tensors) {
    trainable(name)
        .ifPresent(
            group -> {
              Tensor flat = flat(scope, group, version);
              for (TrainableLayout.Entry entry : group.layout().entries()) {
                NamedShape tensor = entry.tensor();
                tensors.put(tensor.name(), ops.view(scope, flat, entry.at(), tensor.dimensions()));
              }
            });
  }

  /** A group's trainable weights at a version, in the compute type. */
  private record Flat(Tensor tensor, long version) {}

  private Tensor flat(Scope scope, TrainableGroup group, long version) {
    return switch (sharding.reshard()) {
      case AFTER_EACH_USE -> gather(scope, group, version);
      case AFTER_EACH_VERSION ->
          kept(group, version).orElseGet(() -> gatherAndKeep(scope, group, version));
    };
  }

  private Optional<Tensor> kept(TrainableGroup group, long version) {
    return Optional.ofNullable(kept.get(group.name()))
        .filter(flat -> flat.version() == version)
        .map(Flat::tensor);
  }

  private Tensor gatherAndKeep(Scope scope, TrainableGroup group, long version) {
    Optional.ofNullable(kept.remove(group.name())).ifPresent(old -> old.tensor().close());
    Tensor tensor = gather(scope, group, version).moveTo(buffers);
    kept.put(group.name(), new Flat(tensor, version));
    return tensor;
  }

  private Tensor gather(Scope scope, TrainableGroup group, long version) {
    Tensor flat =
        group.unshard(
            scope,
            Optional.ofNullable(fetchedTrainable.remove(group.name()))
                .orElseGet(() -> group.fetch(version)));
    return precision.compute() == ElementType.FLOAT32
        ? flat
        : ops.cast(scope, flat, precision.compute());
  }
}
