package org.sparkfinetune.engine.train;

import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import org.apache.hadoop.fs.Path;
import org.sparkfinetune.config.TrainConfig;
import org.sparkfinetune.engine.fsdp.WeightSource;
import org.sparkfinetune.engine.tensor.Ops;
import org.sparkfinetune.engine.train.BaseModel.LinearWeight;
import org.sparkfinetune.model.family.DecoderConfig;
import org.sparkfinetune.model.family.DecoderWeights;
import org.sparkfinetune.model.family.LinearModule;
import org.sparkfinetune.model.peft.AdapterConfig;
import org.sparkfinetune.model.peft.AdapterFiles;
import org.sparkfinetune.model.peft.LoraTargets;
import org.sparkfinetune.model.peft.LoraTargets.AdapterNames;
import org.sparkfinetune.store.Store;

/**
 * First values of what is trained: LoRA's from an adapter or drawn, all else from the base model.
 */
final class TrainableSource implements WeightSource, AutoCloseable {
  private final BaseModel base;
  private final WeightSource drawn;
  private final InitialMagnitudes magnitudes;
  private final List<Integer> tokens;
  private final Optional<AdapterFiles> adapter;

  private TrainableSource(
      BaseModel base,
      WeightSource drawn,
      InitialMagnitudes magnitudes,
      List<Integer> tokens,
      Optional<AdapterFiles> adapter) {
    this.base = base;
    this.drawn = drawn;
    this.magnitudes = magnitudes;
    this.tokens = tokens;
    this.adapter = adapter;
  }

  /**
   * @param lora as it is carried out
   */
  static TrainableSource of(
      TrainConfig config, AdapterConfig lora, BaseModel base, Ops ops, Store store) {
    DecoderConfig model = base.config();
    Function<String, LinearWeight> linears =
        name -> base.linear(name, config.method(), config.compute().bf16());
    WeightSource drawn =
        lora.beginning().ofBase()
            ? new PartsOfBase(
                ops,
                linears,
                lora,
                config.lora().options().initLoraWeights().iterations(),
                config.seed())
            : new InitialAdapters(config.seed(), lora, module -> inFeatures(model, module));
    return new TrainableSource(
        base,
        drawn,
        new InitialMagnitudes(linears, lora, drawn),
        lora.tokens(),
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
    if (name.equals(LoraTargets.TOKEN_ROWS)
        && adapter.filter(AdapterFiles::hasTokenRows).isEmpty()) {
      readTokens(first, out, count);
      return;
    }
    boolean lora = name.contains(".lora_");
    if (adapter.isPresent() && isIn(adapter.get(), name)) {
      adapter.get().read(AdapterNames.saved(name), first, out, count);
    } else if (AdapterNames.isMagnitudes(name)) {
      magnitudes.read(name, first, out, count);
    } else if (lora) {
      drawn.read(name, first, out, count);
    } else {
      base.weights().read(name, first, out, count);
    }
  }

  private static boolean isIn(AdapterFiles files, String name) {
    int lora = name.indexOf(".lora_");
    if (name.equals(LoraTargets.TOKEN_ROWS)) {
      return files.hasTokenRows();
    }
    return lora < 0
        ? files.savedParameters().contains(name)
        : files.modules().contains(name.substring(0, lora));
  }

  /** Embeddings of single tokens begin as they are in the base model's table. */
  private void readTokens(long first, float[] out, int count) {
    int width = base.config().hiddenSize();
    float[] row = new float[width];
    for (int i = 0; i < count; i++) {
      int column = (int) ((first + i) % width);
      if (i == 0 || column == 0) {
        long token = tokens.get((int) ((first + i) / width));
        base.weights().read(DecoderWeights.EMBED_TOKENS, token * width, row, width);
      }
      out[i] = row[column];
    }
  }

  @Override
  public void close() {
    adapter.ifPresent(AdapterFiles::close);
  }
}
