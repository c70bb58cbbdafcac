package org.sparkfinetune.engine.train;

import java.util.HashSet;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.sparkfinetune.engine.exchange.Shard.FileRange;
import org.sparkfinetune.engine.fsdp.WeightSource;
import org.sparkfinetune.engine.fsdp.WeightSource.PlainType;
import org.sparkfinetune.engine.fsdp.WeightSource.QuantizedWeight;

/**
 * A source of weights that tells how far loading is: layers are loaded one after the other, so each
 * whose first weight is read means that those before it are done.
 */
final class LoadedLayers implements WeightSource {
  private static final Pattern LAYER = Pattern.compile("model\\.layers\\.(\\d+)\\..*");

  private final WeightSource source;
  private final Runnable layerLoaded;
  private final Set<String> begun = new HashSet<>();
  private int told;

  /**
   * @param layerLoaded is run once for each layer
   */
  LoadedLayers(WeightSource source, Runnable layerLoaded) {
    this.source = source;
    this.layerLoaded = layerLoaded;
  }

  @Override
  public void read(String name, long first, float[] out, int count) {
    Matcher layer = LAYER.matcher(name);
    if (layer.matches()) {
      begin(layer.group(1));
    }
    source.read(name, first, out, count);
  }

  private synchronized void begin(String layer) {
    begun.add(layer);
    tell(begun.size() - 1);
  }

  /** All are loaded, the last one too, or were found where an earlier run kept them. */
  synchronized void all(int layers) {
    tell(layers);
  }

  private void tell(int layers) {
    while (told < layers) {
      layerLoaded.run();
      told++;
    }
  }

  @Override
  public Optional<QuantizedWeight> quantized(String name) {
    return source.quantized(name);
  }

  @Override
  public Optional<FileRange> located(String name, PlainType type) {
    return source.located(name, type);
  }
}
