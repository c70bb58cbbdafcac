package org.sparkfinetune.engine.train;

import java.util.List;
import java.util.Optional;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.sparkfinetune.config.LoraConfig;
import org.sparkfinetune.config.TrainConfig;
import org.sparkfinetune.engine.fsdp.WeightSource;
import org.sparkfinetune.model.family.LinearModule;
import org.sparkfinetune.model.family.LlamaConfig;
import org.sparkfinetune.model.peft.AdapterFiles;
import org.sparkfinetune.model.peft.AdapterNames;
import org.sparkfinetune.model.peft.TargetModules;

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

  static TrainableSource of(TrainConfig config, BaseModel base, Configuration hadoop) {
    return new TrainableSource(
        base,
        new InitialWeights(config.seed(), name -> inFeatures(base.config(), name)),
        config.model().adapter().map(folder -> AdapterFiles.open(new Path(folder), hadoop)));
  }

  /**
   * LoRA as it is carried out: that of the configuration, or of the adapter to start from, whose
   * weights fit nothing else. Dropout, which shapes no weight, is always the configuration's.
   */
  static LoraConfig lora(TrainConfig config, Configuration hadoop) {
    LoraConfig own = config.lora();
    return config
        .model()
        .adapter()
        .map(folder -> AdapterFiles.readConfig(new Path(folder), hadoop))
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
    return LinearModule.all().stream()
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
}
