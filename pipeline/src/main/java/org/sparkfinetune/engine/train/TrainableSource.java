package org.sparkfinetune.engine.train;

import java.util.List;
import java.util.Optional;
import org.apache.hadoop.fs.Path;
import org.sparkfinetune.config.LoraConfig;
import org.sparkfinetune.config.TrainConfig;
import org.sparkfinetune.engine.fsdp.WeightSource;
import org.sparkfinetune.model.family.LinearModule;
import org.sparkfinetune.model.family.LlamaConfig;
import org.sparkfinetune.model.peft.AdapterFiles;
import org.sparkfinetune.model.peft.LoraTargets.AdapterNames;
import org.sparkfinetune.model.peft.LoraTargets.TargetModules;
import org.sparkfinetune.store.Store;

/**
 * First values of what is trained: LoRA's from an adapter or drawn, all else from the base model.
 */
final class TrainableSource implements WeightSource, AutoCloseable {
  private final BaseModel base;
  private final InitialWeights drawn;
  private final Optional<AdapterFiles> adapter;

  private TrainableSource(BaseModel base, InitialWeights drawn, Optional<AdapterFiles> adapter) {
    this.base = base;
    this.drawn = drawn;
    this.adapter = adapter;
  }

  static TrainableSource of(TrainConfig config, BaseModel base, Store store) {
    return new TrainableSource(
        base,
        new InitialWeights(config.seed(), name -> inFeatures(base.config(), name)),
        config.model().adapter().map(folder -> AdapterFiles.open(new Path(folder), store)));
  }

  /**
   * LoRA as it is carried out: that of the configuration, or of the adapter to start from, whose
   * weights fit nothing else. Dropout, which shapes no weight, is always the configuration's.
   */
  static LoraConfig lora(TrainConfig config, Store store) {
    LoraConfig own = config.lora();
    return config
        .model()
        .adapter()
        .map(folder -> AdapterFiles.readConfig(new Path(folder), store))
        .map(
            adapter ->
                new LoraConfig(
                    adapter.r(),
                    adapter.alpha(),
                    own.dropout(),
                    targets(adapter.targetModules()),
                    adapter.useRslora(),
                    adapter.modulesToSave()))
        .orElse(own);
  }

  private static List<String> targets(TargetModules targets) {
    return targets instanceof TargetModules.Pattern all
        ? List.of(all.pattern())
        : ((TargetModules.Names) targets).names();
  }

  private static long inFeatures(LlamaConfig config, String name) {
    return LinearModule.of(config).stream()
        .filter(module -> name.contains("." + module.path() + "."))
        .findFirst()
        .map(module -> module.inFeatures(config))
        .orElseThrow(() -> new IllegalArgumentException("no linear in " + name));
  }

  @Override
  public void read(String name, long first, float[] out, int count) {
    boolean lora = name.contains(".lora_");
    if (adapter.isPresent() && (lora || adapter.get().savedParameters().contains(name))) {
      adapter.get().read(tensor(name), first, out, count);
    } else if (lora) {
      drawn.read(name, first, out, count);
    } else {
      base.weights().read(name, first, out, count);
    }
  }

  /** As the adapter's file names it. */
  private static String tensor(String name) {
    if (!name.contains(".lora_")) {
      return AdapterNames.saved(name);
    }
    String module = name.substring(0, name.indexOf(".lora_"));
    return name.contains(".lora_A.") ? AdapterNames.loraA(module) : AdapterNames.loraB(module);
  }

  @Override
  public void close() {
    adapter.ifPresent(AdapterFiles::close);
  }

  /**
   * LoRA's first values as PEFT draws them: A uniform in ±1/sqrt(in), B zero. Each element is a
   * function of (seed, name, index), so every rank makes its own slice and any number of ranks the
   * same weights.
   */
  static final class InitialWeights implements WeightSource {
    private final long seed;
    private final java.util.function.ToLongFunction<String> inFeatures;

    /**
     * @param inFeatures of the tensor named
     */
    InitialWeights(long seed, java.util.function.ToLongFunction<String> inFeatures) {
      this.seed = seed;
      this.inFeatures = inFeatures;
    }

    @Override
    public void read(String name, long first, float[] out, int count) {
      if (!name.endsWith(".lora_A.weight")) {
        java.util.Arrays.fill(out, 0, count, 0);
        return;
      }
      double bound = 1 / Math.sqrt(inFeatures.applyAsLong(name));
      long key = mix(seed ^ mix(name.hashCode()));
      for (int i = 0; i < count; i++) {
        double unit = (mix(key + (first + i) * 0x9E3779B97F4A7C15L) >>> 11) * 0x1p-53;
        out[i] = (float) ((2 * unit - 1) * bound);
      }
    }

    /** SplitMix64's finaliser. */
    private static long mix(long z) {
      z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
      z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
      return z ^ (z >>> 31);
    }
  }
}
