package org.sparkfinetune.inference.generate;

import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.function.IntConsumer;
import java.util.stream.Stream;
import org.sparkfinetune.inference.generate.DecodingModel.Layer;
import org.sparkfinetune.inference.generate.DecodingModel.Mlp.Dense;
import org.sparkfinetune.inference.generate.DecodingModel.Mlp.Mixture;
import org.sparkfinetune.inference.generate.Kernels.FastestKernels;
import org.sparkfinetune.inference.generate.LinearMath.Decoding;
import org.sparkfinetune.inference.generate.Matrix.Form;
import org.sparkfinetune.inference.generate.Routing.Routed;
import org.sparkfinetune.model.family.DecoderConfig;
import org.sparkfinetune.model.family.Experts;
import org.sparkfinetune.model.family.LayerAttention;
import org.sparkfinetune.model.family.LayerAttention.QueryGrowth;
import org.sparkfinetune.model.family.LayerAttention.Rope;

/**
 * A model's passes on the processor, on arrays and vectors of Java's. There is no padding.
 *
 * <p>n columns, H hidden size, D head size; float32, sums as in transformers.
 */
final class VectorDecoder implements Decoder {
  /** Elements of a block of activations. */
  private static final int ACTIVATED = 4096;

  private static final int MAX_COLUMNS = 256;

  /** Of the heap, what keys and values may have. */
  private static final double HEAP_SHARE = 0.4;

  /** Of the heap, what decoded weights may have. */
  private static final double WEIGHTS_SHARE = 0.3;

  private final DecodingModel model;
  private final DecoderConfig config;
  private final Kernels kernels = FastestKernels.KERNELS;
  private final SpinningPool pool;
  private final LinearMath linears;
  private final Attention attention;
  private final Head head;
  private final List<Optional<Rope>> ropes;
  private final GrowingFloats normed = new GrowingFloats();
  private final GrowingFloats fused = new GrowingFloats();
  private final GrowingFloats queries = new GrowingFloats();
  private final GrowingFloats keys = new GrowingFloats();
  private final GrowingFloats values = new GrowingFloats();
  private final GrowingFloats attended = new GrowingFloats();
  private final GrowingFloats projected = new GrowingFloats();
  private final GrowingFloats gate = new GrowingFloats();
  private final GrowingFloats up = new GrowingFloats();
  private final GrowingFloats expertInputs = new GrowingFloats();
  private final GrowingFloats expertResults = new GrowingFloats();

  /**
   * @param packed the layers' weights, if products of them are libtorch's; not closed
   * @param threads that decode together
   * @param alone whether all inputs will be of one sequence at a time
   */
  VectorDecoder(DecodingModel model, Optional<PackedWeights> packed, int threads, boolean alone) {
    this.model = model;
    this.config = model.config();
    this.pool = new SpinningPool(threads);
    long heap = Runtime.getRuntime().maxMemory();
    Stream<Linear> unpacked = packed.isPresent() ? Stream.of(model.head()) : model.linears();
    List<Matrix> weights = unpacked.map(Linear::matrix).toList();
    this.linears =
        new LinearMath(
            kernels,
            pool,
            decoding(weights, heap, alone),
            packed.map(there -> new PackedProducts(there, pool, MAX_COLUMNS)));
    this.attention = new Attention(config, kernels, pool);
    this.head = new Head(model, kernels, pool, linears);
    this.ropes = config.layers().stream().map(LayerAttention::rope).distinct().toList();
  }

  /** All weights stay decoded, or none. */
  static Decoding decoding(List<Matrix> weights, long heap, boolean alone) {
    long bytes = weights.stream().mapToLong(KeptPanels::bytes).sum();
    boolean canStay = weights.stream().allMatch(matrix -> matrix.form() == Form.PAIRS);
    if (canStay && bytes <= WEIGHTS_SHARE * heap) {
      return Decoding.ONCE;
    }
    return alone ? Decoding.EACH_TIME_BY_ROWS : Decoding.EACH_TIME;
  }

  @Override
  public DecoderConfig config() {
    return config;
  }

  @Override
  public int columns() {
    return MAX_COLUMNS;
  }

  @Override
  public boolean hasRoom(int[] limits) {
    double bytes =
        KeyValueCache.bytes(config) * (double) Arrays.stream(limits).asLongStream().sum();
    return bytes < HEAP_SHARE * Runtime.getRuntime().maxMemory();
  }

  @Override
  public Sequence begin() {
    return new KeyValueCache(config);
  }

  static KeyValueCache cache(Input input) {
    return (KeyValueCache) input.sequence();
  }

  @Override
  public float[] lastLogits(List<Input> inputs) {
    int[] last = Column.last(inputs);
    float[] hidden = hidden(inputs);
    float[] chosen = new float[last.length * config.hiddenSize()];
    for (int i = 0; i < last.length; i++) {
      System.arraycopy(
          hidden,
          last[i] * config.hiddenSize(),
          chosen,
          i * config.hiddenSize(),
          config.hiddenSize());
    }
    return head.logits(chosen, last.length);
  }

  @Override
  public double[] losses(Input input, int[] places, int[] next) {
    int h = config.hiddenSize();
    float[] hidden = hidden(List.of(input));
    for (int i = 0; i < places.length; i++) {
      System.arraycopy(hidden, places[i] * h, hidden, i * h, h);
    }
    return head.losses(hidden, next);
  }

  /** The normalised hidden states of all tokens, (tokens, H). */
  private float[] hidden(List<Input> inputs) {
    List<Column> columns = Column.of(inputs);
    int n = columns.size();
    inputs.forEach(input -> cache(input).reserve(input.tokens().length));
    float[] x = new float[n * config.hiddenSize()];
    for (int t = 0; t < n; t++) {
      model.embedding().row(columns.get(t).token(), x, t * config.hiddenSize());
    }
    scale(x, 0, x.length, config.family().scales().embedding());
    Map<Optional<Rope>, float[]> rotations = new HashMap<>();
    ropes.forEach(rope -> rotations.put(rope, Column.rotation(columns, rope)));
    for (int i = 0; i < config.numHiddenLayers(); i++) {
      Optional<Rope> rope = config.layers().get(i).rope();
      layer(i, x, inputs, columns, Objects.requireNonNull(rotations.get(rope)));
    }
    inputs.forEach(input -> cache(input).advance(input.tokens().length));
    normalise(x, x.length, model.finalNorm(), x);
    return x;
  }

  private void layer(
      int index, float[] x, List<Input> inputs, List<Column> columns, float[] rotation) {
    int n = columns.size();
    Layer layer = model.layers().get(index);
    float[] attended = attended(index, layer, x, inputs, columns, rotation);
    float[] projected = this.projected.of(x.length);
    linears.apply(List.of(layer.o()), attended, n, List.of(projected));
    normalise(projected, x.length, layer.norms().afterAttention(), projected);
    add(x, projected);
    float[] normed = normalised(x, layer.norms().mlp());
    if (layer.mlp() instanceof Mixture mixture) {
      mixture(mixture, normed, n, projected);
    } else if (layer.mlp() instanceof Dense dense) {
      dense(dense, config.intermediateSize(), normed, n, projected);
    }
    normalise(projected, x.length, layer.norms().afterMlp(), projected);
    add(x, projected);
  }

  /**
   * @param inner its intermediate size
   */
  private void dense(Dense mlp, int inner, float[] x, int n, float[] result) {
    float[] gate = this.gate.of(n * inner);
    float[] up = this.up.of(n * inner);
    apply(mlp.gateUp(), x, n, List.of(gate, up), inner, inner);
    // Blocks within a column: what a number becomes depends on none of another.
    int blocks = (inner + ACTIVATED - 1) / ACTIVATED;
    each(
        n * blocks,
        i -> {
          int column = i / blocks * inner;
          int from = i % blocks * ACTIVATED;
          activate(gate, up, column + from, column + Math.min(inner, from + ACTIVATED));
        });
    linears.apply(List.of(mlp.down()), gate, n, List.of(result));
  }

  /** Every expert once, with all columns that the router gives it. */
  private void mixture(Mixture mlp, float[] x, int n, float[] result) {
    Experts experts = config.experts();
    int h = config.hiddenSize();
    float[] logits = new float[n * experts.count()];
    linears.apply(List.of(mlp.router()), x, n, List.of(logits));
    Routing routing = Routing.of(logits, n, experts, kernels);
    Arrays.fill(result, 0, n * h, 0);
    for (int e = 0; e < experts.count(); e++) {
      List<Routed> own = routing.columns(e);
      if (own.isEmpty()) {
        continue;
      }
      float[] inputs = expertInputs.of(own.size() * h);
      for (int i = 0; i < own.size(); i++) {
        System.arraycopy(x, own.get(i).column() * h, inputs, i * h, h);
      }
      float[] results = expertResults.of(own.size() * h);
      dense(mlp.experts().get(e), experts.intermediateSize(), inputs, own.size(), results);
      for (int i = 0; i < own.size(); i++) {
        Routed to = own.get(i);
        kernels.addScaled(to.weight(), results, i * h, result, to.column() * h, h);
      }
    }
  }

  private void activate(float[] gate, float[] up, int from, int to) {
    switch (config.family().activation()) {
      case SILU -> kernels.siluTimes(gate, up, from, to);
      case GELU_TANH -> kernels.geluTimes(gate, up, from, to);
    }
  }

  /**
   * What linears of these widths give, although one may hold all of them.
   *
   * @param results receive (n, width) each
   */
  private void apply(List<Linear> some, float[] x, int n, List<float[]> results, int... widths) {
    if (some.size() == widths.length) {
      linears.apply(some, x, n, results);
      return;
    }
    int all = Arrays.stream(widths).sum();
    float[] whole = fused.of(n * all);
    linears.apply(some, x, n, List.of(whole));
    int first = 0;
    for (int i = 0; i < widths.length; i++) {
      for (int t = 0; t < n; t++) {
        System.arraycopy(whole, t * all + first, results.get(i), t * widths[i], widths[i]);
      }
      first += widths[i];
    }
  }

  private static void scale(float[] x, int at, int count, double factor) {
    for (int i = at; i < at + count && factor != 1; i++) {
      x[i] *= (float) factor;
    }
  }

  private void add(float[] x, float[] y) {
    int h = config.hiddenSize();
    float factor = (float) config.family().scales().residual();
    each(x.length / h, t -> kernels.addScaled(factor, y, t * h, x, t * h, h));
  }

  private float[] normalised(float[] x, float[] weight) {
    float[] normed = this.normed.of(x.length);
    normalise(x, x.length, weight, normed);
    return normed;
  }

  /**
   * Every run of {@code weight.length} numbers by itself; a copy where there is no weight.
   *
   * @param count numbers of x
   * @param to may be x
   */
  private void normalise(float[] x, int count, float[] weight, float[] to) {
    int h = weight.length;
    if (h == 0) {
      if (x != to) {
        System.arraycopy(x, 0, to, 0, count);
      }
      return;
    }
    each(
        count / h,
        run -> {
          int at = run * h;
          float mean = kernels.dot(x, at, x, at, h) / h;
          float inverse = (float) (1 / Math.sqrt(mean + config.rmsNormEps()));
          for (int i = 0; i < h; i++) {
            to[at + i] = x[at + i] * inverse * weight[i];
          }
        });
  }

  private float[] attended(
      int index,
      Layer layer,
      float[] x,
      List<Input> inputs,
      List<Column> columns,
      float[] rotation) {
    int n = columns.size();
    int queries = Math.toIntExact(config.queryWidth());
    int keyValues = Math.toIntExact(config.keyWidth());
    float[] q = this.queries.of(n * queries);
    float[] k = keys.of(n * keyValues);
    float[] v = values.of(n * keyValues);
    float[] normed = normalised(x, layer.norms().attention());
    apply(layer.qkv(), normed, n, List.of(q, k, v), queries, keyValues, keyValues);
    normalise(q, n * queries, layer.norms().query(), q);
    normalise(k, n * keyValues, layer.norms().key(), k);
    QueryGrowth growth =
        config.layers().get(index).rope().map(Rope::growth).orElse(QueryGrowth.NONE);
    each(
        n,
        t -> {
          rotate(q, t * queries, config.numAttentionHeads(), rotation, t, n);
          scale(q, t * queries, queries, growth.factor(columns.get(t).position()));
          rotate(k, t * keyValues, config.numKeyValueHeads(), rotation, t, n);
          Column column = columns.get(t);
          ((KeyValueCache) column.sequence()).put(index, column.position(), k, v, t * keyValues);
        });
    float[] attended = this.attended.of(n * queries);
    attention.attend(index, inputs, q, attended);
    return attended;
  }

  /** Rotate-half: of the part of a head that turns, element i of the first half with the second. */
  private void rotate(float[] x, int at, int heads, float[] rotation, int column, int columns) {
    int half = rotation.length / columns / 2;
    int cos = column * 2 * half;
    int sin = cos + half;
    for (int head = 0; head < heads; head++) {
      int first = at + head * config.headDim();
      for (int i = 0; i < half; i++) {
        float a = x[first + i];
        float b = x[first + half + i];
        x[first + i] = a * rotation[cos + i] - b * rotation[sin + i];
        x[first + half + i] = b * rotation[cos + i] + a * rotation[sin + i];
      }
    }
  }

  /** A loop over independent columns, on all threads where there are enough of them. */
  private void each(int count, IntConsumer body) {
    int parts = count < 4 * pool.threads() ? 1 : 2 * pool.threads();
    pool.run(
        parts,
        part -> {
          int to = (int) ((long) count * (part + 1) / parts);
          for (int i = (int) ((long) count * part / parts); i < to; i++) {
            body.accept(i);
          }
        });
  }

  @Override
  public void close() {
    pool.close();
    linears.close();
  }
}
