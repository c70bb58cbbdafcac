package org.sparkfinetune.engine.train;

import java.util.Optional;
import org.apache.hadoop.fs.Path;
import org.sparkfinetune.config.TrainConfig;
import org.sparkfinetune.engine.fsdp.WeightSource;
import org.sparkfinetune.model.family.DecoderConfig;
import org.sparkfinetune.model.family.LinearModule;
import org.sparkfinetune.model.peft.AdapterConfig;
import org.sparkfinetune.model.peft.AdapterFiles;
import org.sparkfinetune.model.peft.LoraTargets.AdapterNames;
import org.sparkfinetune.store.Store;

/**
 * First values of what is trained: LoRA's from an adapter or drawn, all else from the base model.
 */
final class TrainableSource implements WeightSource, AutoCloseable {
  private final BaseModel base;
  private final InitialAdapters drawn;
  private final Optional<AdapterFiles> adapter;

  private TrainableSource(BaseModel base, InitialAdapters drawn, Optional<AdapterFiles> adapter) {
    this.base = base;
    this.drawn = drawn;
    this.adapter = adapter;
  }

  /**
   * @param lora as it is carried out
   */
  static TrainableSource of(TrainConfig config, AdapterConfig lora, BaseModel base, Store store) {
    DecoderConfig model = base.config();
    return new TrainableSource(
        base,
        new InitialAdapters(config.seed(), lora, module -> inFeatures(model, module)),
        config
            .model()
            .adapter()
            .map(folder -> AdapterFiles.openForTraining(new Path(folder), model, store)));
  }

  private static long inFeatures(DecoderConfig config, String name) {
    return LinearModule.of(config).stream()
        .filter(module -> name.endsWith("." + module.path()))
        .findFirst()
        .map(module -> module.inFeatures(config))
        .orElseThrow(() -> new IllegalArgumentException("no linear in " + name));
  }

  @Override
  public void read(String name, long first, float[] out, int count) {
    boolean lora = name.contains(".lora_");
    if (adapter.isPresent() && isIn(adapter.get(), name)) {
      adapter.get().read(tensor(name), first, out, count);
    } else if (lora) {
      drawn.read(name, first, out, count);
    } else {
      base.weights().read(name, first, out, count);
    }
  }

  private static boolean isIn(AdapterFiles files, String name) {
    int lora = name.indexOf(".lora_");
    return lora < 0
        ? files.savedParameters().contains(name)
        : files.modules().contains(name.substring(0, lora));
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
