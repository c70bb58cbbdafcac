package org.sparkfinetune.engine.train;

import java.util.Optional;
import java.util.function.Function;
import org.sparkfinetune.engine.fsdp.WeightSource;
import org.sparkfinetune.engine.train.BaseModel.LinearWeight;
import org.sparkfinetune.model.peft.AdapterConfig;
import org.sparkfinetune.model.peft.LoraDelta;

/**
 * DoRA's first magnitudes: the length of every row of {@code W + scaling * B A}, W decoded as the
 * run sees it (PEFT 0.21.2, {@code DoraLinearLayer.update_layer}).
 */
final class InitialMagnitudes implements WeightSource {
  private final Function<String, LinearWeight> linears;
  private final AdapterConfig lora;
  private final WeightSource adapters;
  private Optional<Lengths> latest = Optional.empty();

  /** Slices of one module are read one after the other. */
  @SuppressWarnings("ArrayRecordComponent")
  private record Lengths(String module, float[] values) {}

  /**
   * @param linears weights by their names
   * @param adapters the first A and B
   */
  InitialMagnitudes(
      Function<String, LinearWeight> linears, AdapterConfig lora, WeightSource adapters) {
    this.linears = linears;
    this.lora = lora;
    this.adapters = adapters;
  }

  @Override
  public synchronized void read(String name, long first, float[] out, int count) {
    String module = name.substring(0, name.indexOf(".lora_"));
    Lengths lengths =
        latest
            .filter(known -> known.module().equals(module))
            .orElseGet(() -> new Lengths(module, lengths(module)));
    latest = Optional.of(lengths);
    System.arraycopy(lengths.values(), (int) first, out, 0, count);
  }

  private float[] lengths(String module) {
    LinearWeight weight = linears.apply(module + ".weight");
    int r = lora.ranks().rank(module);
    float[] a = new float[r * weight.in()];
    float[] b = new float[weight.out() * r];
    adapters.read(module + ".lora_A.weight", 0, a, a.length);
    adapters.read(module + ".lora_B.weight", 0, b, b.length);
    return new LoraDelta(a, b, r, (float) lora.ranks().scaling(module)).rowLengths(weight.values());
  }
}
