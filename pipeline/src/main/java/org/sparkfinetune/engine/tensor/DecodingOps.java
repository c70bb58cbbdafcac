package org.sparkfinetune.engine.tensor;

import static org.sparkfinetune.engine.tensor.Torch.value;
import static org.sparkfinetune.engine.tensor.Torch.values;

import ai.djl.pytorch.jni.IValue;
import java.util.ArrayList;
import java.util.List;
import org.sparkfinetune.engine.tensor.LayerInputs.Arithmetic;
import org.sparkfinetune.engine.tensor.Tensor.ElementType;

/**
 * A layer over keys and values that are kept, as {@code scripts.py} has it. Letters: N tokens of a
 * pass, with padding, n without; S slots, a sequence in each, with room for T positions; H hidden,
 * K key/value heads, D head size.
 */
public final class DecodingOps {
  private final Torch torch;

  DecodingOps(Torch torch) {
    this.torch = torch;
  }

  /**
   * A layer's weights.
   *
   * @param linears weight, bias, A, B and gain of q, k, v, o, gate, up, down: 35, empty for what is
   *     not there; LoRA's scale is in B, and gain (out) is what DoRA multiplies the rows of W with
   * @param norms before attention, before the MLP, of q, of k, after attention, after the MLP
   */
  public record Weights(List<Tensor> linears, List<Tensor> norms) {}

  /**
   * Queries that attend in one product, m of each of some slots.
   *
   * @param queries m
   * @param seen positions that they look at
   * @param rows (tokens) int64, which of the pass's tokens they are
   * @param places (tokens) int64, where among the queries
   */
  public record Block(
      long firstSlot, long slots, long queries, long seen, Tensor rows, Tensor places) {}

  /**
   * A pass through one layer.
   *
   * @param cos (N, 1, E), (N, 2, E) where queries grow, or empty, as in {@link LayerInputs}
   * @param keys (S, K, T, D)
   * @param values (S, K, T, D)
   * @param at (n K) int64, from {@link #cacheRows}
   * @param hidden of each block, from {@link #hiddenKeys}
   */
  public record Pass(
      Tensor cos,
      Tensor sin,
      Tensor keys,
      Tensor values,
      Tensor at,
      List<Block> blocks,
      List<Tensor> hidden) {}

  /** x (N, H) through attention and MLP; writes the keys and values of its tokens. */
  public Tensor layer(Scope scope, Tensor x, Weights weights, Pass pass, Arithmetic arithmetic) {
    return torch.tensor(scope, "decoding_layer", arguments(x, weights, pass, arithmetic));
  }

  /** The same through attention alone: the residual and the MLP's input, both (N, H). */
  public List<Tensor> attention(
      Scope scope, Tensor x, Weights weights, Pass pass, Arithmetic arithmetic) {
    return torch.tensors(scope, "decoding_attention", arguments(x, weights, pass, arithmetic));
  }

  /** What a layer gives of its residual h and of what came out of its MLP, both (N, H). */
  public Tensor branch(Scope scope, Tensor h, Tensor y, Weights weights, Arithmetic arithmetic) {
    return torch.tensor(
        scope,
        "decoding_branch",
        value(h),
        value(y),
        values(weights.norms()),
        arithmetic.kinds(),
        arithmetic.numbers());
  }

  /**
   * @param base (n) int64, the first head's row of each token in keys as (S K T, D)
   * @param room T
   */
  public Tensor cacheRows(Scope scope, Tensor base, int heads, int room) {
    return torch.tensor(
        scope, "cache_rows", value(base), IValue.from((long) heads), IValue.from((long) room));
  }

  /**
   * What is added to scores.
   *
   * @param positions (slots m) int64, of the queries of a block; below 0 for padding
   * @param repeat query heads of a key head
   * @param window as in {@link Arithmetic}
   */
  public Tensor hiddenKeys(
      Scope scope,
      Tensor positions,
      long slots,
      long repeat,
      long seen,
      int window,
      ElementType type) {
    return torch.tensor(
        scope,
        "hidden_keys",
        value(positions),
        IValue.from(slots),
        IValue.from(repeat),
        IValue.from(seen),
        IValue.from((long) window),
        IValue.from((long) type.code()));
  }

  /**
   * Cosines and sines of a pass, from those of half of the numbers that turn.
   *
   * @param cos (N, E/2)
   * @param sin (N, E/2)
   * @param growth (N), what queries are multiplied with; empty if none grows
   */
  public List<Tensor> turns(Scope scope, Tensor cos, Tensor sin, Tensor growth, ElementType type) {
    return torch.tensors(
        scope, "turns", value(cos), value(sin), value(growth), IValue.from((long) type.code()));
  }

  /** A cache (S, K, T, D) with room for more, which keeps what is in it. */
  public Tensor grown(Scope scope, Tensor cache, long slots, long room) {
    return torch.tensor(scope, "grown", value(cache), IValue.from(slots), IValue.from(room));
  }

  /** Copies the first positions of a slot into another, in all of the caches. */
  public void copyBeginning(List<Tensor> caches, int from, int to, int positions) {
    try (Scope scope = torch.scope()) {
      torch.tensor(
          scope,
          "copy_beginning",
          values(caches),
          IValue.from((long) from),
          IValue.from((long) to),
          IValue.from((long) positions));
    }
  }

  private static IValue[] arguments(Tensor x, Weights weights, Pass pass, Arithmetic arithmetic) {
    List<Long> blocks = new ArrayList<>();
    for (Block block : pass.blocks()) {
      blocks.addAll(List.of(block.firstSlot(), block.slots(), block.queries(), block.seen()));
    }
    return new IValue[] {
      value(x),
      values(weights.linears()),
      values(weights.norms()),
      value(pass.cos()),
      value(pass.sin()),
      value(pass.keys()),
      value(pass.values()),
      value(pass.at()),
      IValue.listFrom(blocks.stream().mapToLong(Long::longValue).toArray()),
      values(pass.blocks().stream().map(Block::rows).toList()),
      values(pass.blocks().stream().map(Block::places).toList()),
      values(pass.hidden()),
      arithmetic.kinds(),
      arithmetic.numbers()
    };
  }
}
