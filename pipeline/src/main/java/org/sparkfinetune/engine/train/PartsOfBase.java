package org.sparkfinetune.engine.train;

import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.function.Function;
import org.sparkfinetune.engine.fsdp.WeightSource;
import org.sparkfinetune.engine.tensor.Ops;
import org.sparkfinetune.engine.tensor.Scope;
import org.sparkfinetune.engine.tensor.Tensor;
import org.sparkfinetune.engine.train.BaseModel.LinearWeight;
import org.sparkfinetune.model.peft.AdapterConfig;
import org.sparkfinetune.model.peft.AdapterConfig.Beginning;

/**
 * Adapters that begin as parts of the base weights (PEFT 0.21.2, {@code pissa_init} and {@code
 * olora_init}). A rank decomposes the weights whose adapters lie in its slice. Signs, which the
 * mathematics leaves open, are fixed, so that ranks agree on an adapter that lies in two slices.
 */
final class PartsOfBase implements WeightSource {
  private final Ops ops;
  private final Function<String, LinearWeight> linears;
  private final AdapterConfig lora;
  private final OptionalInt iterations;
  private final long seed;
  private Optional<Part> latest = Optional.empty();

  /** Slices of one module are read one after the other. */
  @SuppressWarnings("ArrayRecordComponent")
  private record Part(String module, float[] a, float[] b) {}

  /**
   * @param iterations of PiSSA's randomised decomposition, which is exact without it
   */
  PartsOfBase(
      Ops ops,
      Function<String, LinearWeight> linears,
      AdapterConfig lora,
      OptionalInt iterations,
      long seed) {
    this.ops = ops;
    this.linears = linears;
    this.lora = lora;
    this.iterations = iterations;
    this.seed = seed;
  }

  @Override
  public synchronized void read(String name, long first, float[] out, int count) {
    String module = name.substring(0, name.indexOf(".lora_"));
    Part part = latest.filter(known -> known.module().equals(module)).orElseGet(() -> part(module));
    latest = Optional.of(part);
    float[] values = name.contains(".lora_A") ? part.a() : part.b();
    System.arraycopy(values, (int) first, out, 0, count);
  }

  private Part part(String module) {
    LinearWeight weight = linears.apply(module + ".weight");
    int r = lora.ranks().rank(module);
    try (Scope scope = ops.torch().scope()) {
      float[] values = new float[weight.out() * weight.in()];
      weight.values().read(0, values, values.length);
      Tensor w = ops.ofFloats(scope, values, weight.out(), weight.in());
      List<Tensor> parts =
          lora.beginning() == Beginning.OLORA
              ? ops.orthogonalPart(scope, w, r)
              : ops.principalPart(
                  scope,
                  w,
                  r,
                  start(scope, module, r, Math.min(weight.out(), weight.in())),
                  iterations.orElse(0),
                  lora.ranks().scaling(module));
      return new Part(
          module,
          ops.hostMemory().toHost(scope, parts.get(0)).toFloats(),
          ops.hostMemory().toHost(scope, parts.get(1)).toFloats());
    }
  }

  /** Where the iterations begin; nothing without them. */
  private Tensor start(Scope scope, String module, int r, int width) {
    return iterations.isEmpty()
        ? ops.ofFloats(scope, new float[0], 0)
        : ops.ofFloats(scope, InitialAdapters.normals(seed, module, width * r), width, r);
  }
}
