package org.sparkfinetune.engine.fsdp;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import org.sparkfinetune.engine.fsdp.TrainableGroup.StateSlice;
import org.sparkfinetune.engine.fsdp.TrainableLayout.Piece;
import org.sparkfinetune.engine.tensor.Ops;
import org.sparkfinetune.engine.tensor.Ops.AdamWStep;
import org.sparkfinetune.engine.tensor.Ops.BlockwiseCode;
import org.sparkfinetune.engine.tensor.Ops.BlockwiseMoment;
import org.sparkfinetune.engine.tensor.Scope;
import org.sparkfinetune.engine.tensor.Tensor;
import org.sparkfinetune.engine.tensor.Tensor.ElementType;
import org.sparkfinetune.model.family.DecoderWeights;
import org.sparkfinetune.model.quant.DynamicMap;
import org.sparkfinetune.model.safetensors.NamedShape;

/**
 * Moments in 8 bits (8-bit Optimizers via Block-wise Quantization, Dettmers et al. 2022), as
 * bitsandbytes' AdamW8bit keeps them: of each block of 256 elements of a tensor the largest
 * absolute value, float32, and of each element the code of the nearest value of a dynamic type,
 * signed for the mean of the gradients, without a sign for that of their squares. A step decodes a
 * block, updates it in float32, moves the parameters by that, and only then rounds it to codes.
 *
 * <p>Tensors of fewer than 4096 elements keep float32 moments ({@code min_8bit_size}), and so does
 * the table of embeddings, for which transformers' Trainer registers {@code optim_bits: 32}; a head
 * that is not tied to it is a linear there, and has codes.
 *
 * <p>Codes and floats lie one behind the other without what the other tensors have between them: a
 * rank has memory for what its slice needs. A block lies on one rank, so that the number of ranks
 * changes nothing.
 */
final class BlockwiseMoments implements AdamMoments {
  static final int BLOCK = 256;
  private static final long LEAST_ELEMENTS = 4096;

  private final String group;
  private final TrainableLayout layout;
  private final int rank;
  private final Ops ops;
  private final Codes codes;

  /** Where in its kind of moments a piece of this rank's slice begins. */
  private final Map<Piece, Long> places = new LinkedHashMap<>();

  private final Extent coded = new Extent();
  private final Extent plain = new Extent();
  private final Moment mean;
  private final Moment square;

  BlockwiseMoments(
      String group, TrainableLayout layout, int rank, Ops ops, Codes codes, Scope scope) {
    this.group = group;
    this.layout = layout;
    this.rank = rank;
    this.ops = ops;
    this.codes = codes;
    for (TrainableLayout.Entry entry : layout.entries()) {
      extent(entry.tensor()).add(entry);
    }
    for (Piece piece : layout.pieces(rank)) {
      Extent extent = extent(piece.tensor());
      places.put(piece, extent.own);
      extent.own += aligned(piece.count());
    }
    this.mean = new Moment(scope);
    this.square = new Moment(scope);
  }

  /** Whether a tensor's moments are codes. */
  private static boolean isCoded(NamedShape tensor) {
    return tensor.elements() >= LEAST_ELEMENTS
        && !tensor.name().equals(DecoderWeights.EMBED_TOKENS);
  }

  /** Of both moments, padding left out. */
  static long bytes(NamedShape tensor) {
    long elements = tensor.elements();
    return 2
        * (isCoded(tensor)
            ? elements + Float.BYTES * aligned(elements) / BLOCK
            : Float.BYTES * elements);
  }

  private static long aligned(long elements) {
    return FrozenLayout.align(elements, BLOCK);
  }

  private Extent extent(NamedShape tensor) {
    return isCoded(tensor) ? coded : plain;
  }

  /** Elements of one kind of moments, in whole blocks. */
  private final class Extent {
    /** Of all ranks. */
    private long all;

    /** Of the ranks before this one. */
    private long before;

    private long own;

    private void add(TrainableLayout.Entry entry) {
      long elements = aligned(entry.tensor().elements());
      long begin = rank * layout.sliceElements();
      all += elements;
      before += Math.max(0, Math.min(elements, begin - entry.at()));
    }
  }

  /** One of the two. */
  private final class Moment {
    private final Tensor floats;
    private final Tensor code;
    private final Tensor absmax;

    private Moment(Scope scope) {
      this.floats = ops.zeros(scope, ElementType.FLOAT32, plain.own);
      this.code = ops.zeros(scope, ElementType.UINT8, coded.own);
      this.absmax = ops.zeros(scope, ElementType.FLOAT32, coded.own / BLOCK);
    }

    private void addTo(Map<String, StateSlice> state, String name) {
      if (plain.all > 0) {
        state.put(name + "/" + group, new StateSlice(floats, plain.before));
      }
      if (coded.all > 0) {
        state.put(name + ".codes/" + group, new StateSlice(code, coded.before));
        state.put(name + ".absmax/" + group, new StateSlice(absmax, coded.before / BLOCK));
      }
    }

    private BlockwiseMoment blocks(Scope scope, long at, long elements, BlockwiseCode values) {
      return new BlockwiseMoment(
          ops.view(scope, code, at, elements),
          ops.view(scope, absmax, at / BLOCK, elements / BLOCK),
          values);
    }
  }

  @Override
  public Map<String, StateSlice> state() {
    Map<String, StateSlice> state = new LinkedHashMap<>();
    mean.addTo(state, "exp_avg");
    square.addTo(state, "exp_avg_sq");
    return state;
  }

  @Override
  public void update(Scope scope, Tensor parameters, Tensor gradient, AdamWStep step) {
    places.keySet().forEach(piece -> update(scope, piece, parameters, gradient, step));
  }

  @Override
  public void update(Scope scope, Piece piece, Tensor parameters, Tensor gradient, AdamWStep step) {
    long at = Objects.requireNonNull(places.get(piece));
    // The padding behind a tensor is zeros, which no step changes.
    long elements = aligned(piece.count());
    Tensor p = ops.view(scope, parameters, piece.sliceElement(), elements);
    Tensor g = ops.view(scope, gradient, piece.sliceElement(), elements);
    if (isCoded(piece.tensor())) {
      ops.adamw8bit(
          scope,
          p,
          g,
          mean.blocks(scope, at, elements, codes.signed()),
          square.blocks(scope, at, elements, codes.unsigned()),
          step);
    } else {
      ops.adamw(
          scope,
          p,
          g,
          ops.view(scope, mean.floats, at, elements),
          ops.view(scope, square.floats, at, elements),
          step);
    }
  }

  /** What all groups' codes stand for. */
  record Codes(BlockwiseCode signed, BlockwiseCode unsigned) {
    static Codes of(Ops ops, Scope scope) {
      return new Codes(
          ops.blockwiseCode(scope, DynamicMap.values()),
          ops.blockwiseCode(scope, DynamicMap.unsigned()));
    }
  }
}
