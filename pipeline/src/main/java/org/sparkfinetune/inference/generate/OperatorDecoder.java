package org.sparkfinetune.inference.generate;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.stream.IntStream;
import org.sparkfinetune.engine.tensor.DecodingOps;
import org.sparkfinetune.engine.tensor.DecodingOps.Block;
import org.sparkfinetune.engine.tensor.ExpertOps;
import org.sparkfinetune.engine.tensor.HeadOps;
import org.sparkfinetune.engine.tensor.LayerInputs.Arithmetic;
import org.sparkfinetune.engine.tensor.Ops;
import org.sparkfinetune.engine.tensor.Scope;
import org.sparkfinetune.engine.tensor.Tensor;
import org.sparkfinetune.engine.tensor.Tensor.ElementType;
import org.sparkfinetune.engine.train.BufferSizes;
import org.sparkfinetune.inference.generate.DecodingModel.Mlp.Dense;
import org.sparkfinetune.inference.generate.DecodingModel.Mlp.Mixture;
import org.sparkfinetune.model.family.DecoderConfig;
import org.sparkfinetune.model.family.DecoderFamily;
import org.sparkfinetune.model.family.DecoderFamily.NormWeight;
import org.sparkfinetune.model.family.DecoderFamily.Rotation;
import org.sparkfinetune.model.family.Experts;
import org.sparkfinetune.model.family.LayerAttention;
import org.sparkfinetune.model.family.LayerAttention.QueryGrowth;
import org.sparkfinetune.model.family.LayerAttention.Rope;
import org.sparkfinetune.model.safetensors.Floats;

/**
 * A model's passes on a device, by the operators that train it. Keys and values are in {@link
 * SlotCache}. Sizes are rounded up to a small set, because libraries keep a kernel for each, tokens
 * as training has them; what is added is masked. Sequences with one new token attend together,
 * those that read more one by one.
 *
 * <p>Which sums are made in which order follows from these sizes, so logits may differ in the last
 * places with what else is in a pass.
 *
 * <p>n tokens of a pass, N with padding, H hidden size, V vocabulary, E numbers of a head that
 * turn.
 */
final class OperatorDecoder implements Decoder {
  /** Enough for products that no longer wait for weights. */
  private static final int MAX_COLUMNS = 1024;

  /** Logits whose losses are computed at a time. */
  private static final int MAX_LOGITS = 1 << 26;

  private final DeviceModel model;
  private final DecoderConfig config;
  private final Ops ops;
  private final DecodingOps decoding;
  private final ElementType type;
  private final Scope scope;
  private final List<Optional<Rope>> ropes;
  private final SlotCache cache;

  OperatorDecoder(DeviceModel model) {
    this.model = model;
    this.config = model.host().config();
    this.ops = model.ops();
    this.decoding = ops.decoding();
    this.type = model.type();
    this.scope = ops.torch().scope();
    this.cache = new SlotCache(ops, scope, config, type, model.fit().cache());
    this.ropes = config.layers().stream().map(LayerAttention::rope).distinct().toList();
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
    return cache.hasRoom(limits);
  }

  @Override
  public Sequence begin() {
    return cache.begin();
  }

  @Override
  public float[] lastLogits(List<Input> inputs) {
    int[] last = Column.last(inputs);
    try (Scope local = ops.torch().scope()) {
      Tensor hidden = normed(local, hidden(local, inputs), last);
      double cap = config.family().softCaps().logits();
      Tensor logits = ops.logits(local, hidden, model.head(), cap);
      Tensor own = ops.view(local, ops.flat(local, logits), 0, last.length, config.vocabSize());
      return ops.hostMemory().toHost(local, own).toFloats();
    }
  }

  @Override
  public double[] losses(Input input, int[] places, int[] next) {
    if (places.length == 0) {
      try (Scope local = ops.torch().scope()) {
        hidden(local, List.of(input));
      }
      return new double[0];
    }
    try (Scope local = ops.torch().scope()) {
      Tensor hidden = normed(local, hidden(local, List.of(input)), places);
      HeadOps.LossOptions options =
          new HeadOps.LossOptions(config.family().softCaps().logits(), 0, config.vocabSize());
      HeadOps.Loss loss =
          ops.head()
              .loss(
                  local,
                  hidden,
                  model.head(),
                  ops.ofInts(local, next),
                  ops.head().sameWeights(local, 0),
                  Math.max(16, MAX_LOGITS / config.vocabSize()),
                  options,
                  HeadOps.Gradients.NONE);
      float[] losses = ops.hostMemory().toHost(local, loss.losses()).toFloats();
      return IntStream.range(0, losses.length).mapToDouble(i -> losses[i]).toArray();
    }
  }

  /** Some tokens after the last norm, with the logits' scale and padding, (N, H). */
  private Tensor normed(Scope local, Tensor x, int[] tokens) {
    Tensor chosen = ops.selectRows(local, x, ops.ofInts(local, tokens));
    Tensor padded = ops.padRows(local, chosen, BufferSizes.padded(tokens.length));
    Tensor normed = ops.rmsNorm(local, padded, model.finalNorm(), config.rmsNormEps(), norm());
    return ops.times(local, normed, config.family().scales().logits());
  }

  /** The weights of norms are there with the 1 that Gemma's lack. */
  private int norm() {
    NormWeight kind = config.family().normWeight();
    return (kind == NormWeight.ONE_PLUS ? NormWeight.BEFORE_CAST : kind).ordinal();
  }

  /** What the last layer gives for all tokens, (N, H). */
  private Tensor hidden(Scope local, List<Input> inputs) {
    List<Column> columns = Column.of(inputs);
    cache.reserve(columns.stream().mapToInt(column -> column.position() + 1).max().orElse(0));
    List<Queries> queries = queries(inputs);
    Map<Integer, List<Tensor>> hidden = new HashMap<>();
    Map<Optional<Rope>, List<Tensor>> turns = new HashMap<>();
    ropes.forEach(rope -> turns.put(rope, turns(local, columns, rope)));
    Tensor at = at(local, columns);
    List<Block> blocks = queries.stream().map(some -> some.block(local)).toList();
    Tensor x = embedded(local, columns);
    for (int layer = 0; layer < config.numHiddenLayers(); layer++) {
      LayerAttention attention = config.layers().get(layer);
      List<Tensor> turn = Objects.requireNonNull(turns.get(attention.rope()));
      DecodingOps.Pass pass =
          new DecodingOps.Pass(
              turn.get(0),
              turn.get(1),
              cache.keys(layer),
              cache.values(layer),
              at,
              blocks,
              hidden.computeIfAbsent(
                  attention.window(),
                  window -> queries.stream().map(some -> some.hidden(local, window)).toList()));
      try (Scope ofLayer = local.child();
          Tensor input = x) {
        x = layer(ofLayer, layer, input, pass, columns.size()).moveTo(local);
      }
    }
    inputs.forEach(input -> SlotCache.slot(input.sequence()).read(input.tokens().length));
    return x;
  }

  private Tensor layer(Scope local, int index, Tensor x, DecodingOps.Pass pass, int tokens) {
    DecodingOps.Weights weights = model.layer(local, index);
    Arithmetic arithmetic = arithmetic(index);
    if (model.host().layers().get(index).mlp() instanceof Mixture mixture) {
      List<Tensor> attended = decoding.attention(local, x, weights, pass, arithmetic);
      Tensor mixed = mixture(local, mixture, attended.get(1), tokens);
      return decoding.branch(local, attended.get(0), mixed, weights, arithmetic);
    }
    return decoding.layer(local, x, weights, pass, arithmetic);
  }

  private Arithmetic arithmetic(int layer) {
    DecoderFamily family = config.family();
    return new Arithmetic(
        config.headDim(),
        config.layers().get(layer).window(),
        family.qkNorm().ordinal(),
        norm(),
        family.activation().ordinal(),
        config.rmsNormEps(),
        config.attentionScale(),
        family.scales().residual(),
        family.softCaps().attention());
  }

  /** Every expert once, with all tokens that the router gives it; x and the result (N, H). */
  private Tensor mixture(Scope local, Mixture mixture, Tensor x, int tokens) {
    Experts experts = config.experts();
    Tensor n = ops.view(local, ops.flat(local, x), 0, tokens, config.hiddenSize());
    ExpertOps.Router router =
        new ExpertOps.Router(
            model.weight(local, mixture.router().matrix()),
            experts.perToken(),
            experts.weighting() == Experts.Weighting.SHARE);
    ExpertOps.Routes routes = ops.experts().route(local, n, router);
    Tensor out = ops.zeros(local, type, tokens, config.hiddenSize());
    long first = 0;
    for (int e = 0; e < experts.count(); e++) {
      long count = routes.counts()[e];
      if (count > 0) {
        try (Scope one = local.child()) {
          ops.experts()
              .expert(one, out, n, routes, expert(one, mixture.experts().get(e), first, count));
        }
      }
      first += count;
    }
    return ops.padRows(local, out, x.size(0));
  }

  private ExpertOps.Expert expert(Scope local, Dense expert, long first, long count) {
    List<Tensor> weights =
        List.of(
            model.weight(local, expert.gateUp().get(0).matrix()),
            model.weight(local, expert.gateUp().get(1).matrix()),
            model.weight(local, expert.down().matrix()));
    return new ExpertOps.Expert(
        weights,
        first,
        count,
        BufferSizes.padded((int) count),
        config.family().activation().ordinal());
  }

  // ---- what the host makes for a pass -------------------------------------------------------

  /** (N, H). */
  private Tensor embedded(Scope local, List<Column> columns) {
    int h = config.hiddenSize();
    int padded = BufferSizes.padded(columns.size());
    float[] rows = new float[padded * h];
    for (int t = 0; t < columns.size(); t++) {
      model.host().embedding().row(columns.get(t).token(), rows, t * h);
    }
    Tensor x = ops.cast(local, ops.ofFloats(local, rows, padded, h), type);
    return ops.times(local, x, embeddingScale());
  }

  /** Rounded to the type of the embeddings, as in training. */
  private double embeddingScale() {
    float scale = (float) config.family().scales().embedding();
    return type == ElementType.BFLOAT16 ? Floats.bf16ToFloat(Floats.floatToBf16(scale)) : scale;
  }

  /** Cosines and sines, (N, 1, E) or (N, 2, E). */
  private List<Tensor> turns(Scope local, List<Column> columns, Optional<Rope> rope) {
    if (rope.isEmpty()) {
      return List.of(model.none(), model.none());
    }
    int padded = BufferSizes.padded(columns.size());
    int half = rope.get().dimensions() / 2;
    float[] rotation = Column.rotation(columns, rope);
    float[] cos = new float[padded * half];
    float[] sin = new float[padded * half];
    float[] growth = new float[padded];
    QueryGrowth grows = rope.get().growth();
    boolean any = false;
    for (int t = 0; t < columns.size(); t++) {
      System.arraycopy(rotation, 2 * t * half, cos, t * half, half);
      System.arraycopy(rotation, (2 * t + 1) * half, sin, t * half, half);
      growth[t] = grows.factor(columns.get(t).position());
      any |= growth[t] != 1;
    }
    return decoding.turns(
        local,
        ops.ofFloats(local, cos, padded, half),
        ops.ofFloats(local, sin, padded, half),
        any ? ops.ofFloats(local, growth, padded) : model.none(),
        config.family().rotation() == Rotation.FLOAT32 ? ElementType.FLOAT32 : type);
  }

  /** The rows of keys and values that the tokens write, (n K). */
  private Tensor at(Scope local, List<Column> columns) {
    int heads = config.numKeyValueHeads();
    int[] base =
        columns.stream()
            .mapToInt(
                column ->
                    Math.addExact(
                        Math.multiplyExact(
                            SlotCache.slot(column.sequence()).index() * heads, cache.room()),
                        column.position()))
            .toArray();
    return decoding.cacheRows(local, ops.ofInts(local, base), heads, cache.room());
  }

  /**
   * Queries that attend in one product.
   *
   * @param each queries of a slot, with padding
   * @param positions (slots each), -1 for padding
   * @param rows which of the pass's tokens they are
   * @param places where they are in {@code positions}
   */
  @SuppressWarnings("ArrayRecordComponent")
  private record Queries(
      OperatorDecoder decoder,
      int firstSlot,
      int slots,
      int each,
      int[] positions,
      int[] rows,
      int[] places) {

    int seen() {
      return SlotCache.positions(Arrays.stream(positions).max().orElse(0) + 1);
    }

    Block block(Scope scope) {
      return new Block(
          firstSlot,
          slots,
          each,
          seen(),
          decoder.ops.ofInts(scope, rows),
          decoder.ops.ofInts(scope, places));
    }

    Tensor hidden(Scope scope, int window) {
      DecoderConfig config = decoder.config;
      return decoder.decoding.hiddenKeys(
          scope,
          decoder.ops.ofInts(scope, positions),
          slots,
          config.numAttentionHeads() / config.numKeyValueHeads(),
          seen(),
          window,
          config.family().softCaps().attention() > 0 ? ElementType.FLOAT32 : decoder.type);
    }
  }

  /** Those of sequences with one new token together, every other sequence's by themselves. */
  private List<Queries> queries(List<Input> inputs) {
    List<Queries> all = new ArrayList<>();
    List<Integer> rows = new ArrayList<>();
    List<SlotCache.Slot> single = new ArrayList<>();
    int row = 0;
    for (Input input : inputs) {
      SlotCache.Slot slot = SlotCache.slot(input.sequence());
      int n = input.tokens().length;
      if (n == 1) {
        rows.add(row);
        single.add(slot);
      } else {
        int each = BufferSizes.padded(n);
        int[] positions = new int[each];
        Arrays.setAll(positions, i -> i < n ? slot.length() + i : -1);
        int[] own = IntStream.range(row, row + n).toArray();
        int[] places = IntStream.range(0, n).toArray();
        all.add(new Queries(this, slot.index(), 1, each, positions, own, places));
      }
      row += n;
    }
    if (!single.isEmpty()) {
      int some =
          SlotCache.slots(single.stream().mapToInt(slot -> slot.index() + 1).max().orElse(0));
      int[] positions = new int[some];
      Arrays.fill(positions, -1);
      single.forEach(slot -> positions[slot.index()] = slot.length());
      int[] own = rows.stream().mapToInt(Integer::intValue).toArray();
      int[] places = single.stream().mapToInt(SlotCache.Slot::index).toArray();
      all.add(new Queries(this, 0, some, 1, positions, own, places));
    }
    return all;
  }

  @Override
  public void close() {
    scope.close();
  }
}
