package org.sparkfinetune.engine.fsdp;

import java.util.Map;
import org.sparkfinetune.config.TrainConfig.Optim;
import org.sparkfinetune.engine.fsdp.TrainableGroup.StateSlice;
import org.sparkfinetune.engine.fsdp.TrainableLayout.Piece;
import org.sparkfinetune.engine.tensor.Ops;
import org.sparkfinetune.engine.tensor.Ops.AdamWStep;
import org.sparkfinetune.engine.tensor.Scope;
import org.sparkfinetune.engine.tensor.Tensor;
import org.sparkfinetune.engine.tensor.Tensor.ElementType;
import org.sparkfinetune.model.safetensors.NamedShape;

/**
 * Adam's running means of the gradients and of their squares for this rank's slice of a group, in
 * the device's memory; zeros at first.
 */
public interface AdamMoments {

  /** This rank's slices of what has to be kept, by name. */
  Map<String, StateSlice> state();

  /**
   * One step of the whole slice, in place.
   *
   * @param parameters the slice, float32
   * @param gradient as long
   */
  void update(Scope scope, Tensor parameters, Tensor gradient, AdamWStep step);

  /** The same of one tensor's part of the slice. */
  void update(Scope scope, Piece piece, Tensor parameters, Tensor gradient, AdamWStep step);

  /** How the moments are kept. */
  enum Type {
    /** As torch.optim.AdamW has them. */
    FLOAT32(16),
    /** As bitsandbytes' AdamW8bit has them: {@link BlockwiseMoments}. */
    BLOCKWISE_8BIT(BlockwiseMoments.BLOCK);

    private final int unit;

    Type(int unit) {
      this.unit = unit;
    }

    /** The type of an optimizer's moments. */
    public static Type of(Optim optim) {
      return optim.plain() == Optim.ADAMW_8BIT ? BLOCKWISE_8BIT : FLOAT32;
    }

    /** Elements that a {@link TrainableLayout} keeps together. */
    public int unit() {
      return unit;
    }

    /** Bytes of both moments of a tensor, on all ranks together. */
    public long bytes(NamedShape tensor) {
      return switch (this) {
        case FLOAT32 -> 2L * Float.BYTES * tensor.elements();
        case BLOCKWISE_8BIT -> BlockwiseMoments.bytes(tensor);
      };
    }
  }

  /** Makes the moments of one group after the other. */
  interface Factory {
    AdamMoments of(String group, TrainableLayout layout, int rank);

    /** Memory belongs to {@code scope}. */
    static Factory of(Type type, Ops ops, Scope scope) {
      return switch (type) {
        case FLOAT32 -> (group, layout, rank) -> new FloatMoments(group, layout, rank, ops, scope);
        case BLOCKWISE_8BIT -> {
          BlockwiseMoments.Codes codes = BlockwiseMoments.Codes.of(ops, scope);
          yield (group, layout, rank) ->
              new BlockwiseMoments(group, layout, rank, ops, codes, scope);
        }
      };
    }
  }

  /** float32, elementwise beside the parameters. */
  final class FloatMoments implements AdamMoments {
    private final String group;
    private final Ops ops;
    private final long first;
    private final Tensor mean;
    private final Tensor square;

    private FloatMoments(String group, TrainableLayout layout, int rank, Ops ops, Scope scope) {
      this.group = group;
      this.ops = ops;
      this.first = rank * layout.sliceElements();
      this.mean = ops.zeros(scope, ElementType.FLOAT32, layout.sliceElements());
      this.square = ops.zeros(scope, ElementType.FLOAT32, layout.sliceElements());
    }

    @Override
    public Map<String, StateSlice> state() {
      return Map.of(
          "exp_avg/" + group, new StateSlice(mean, first),
          "exp_avg_sq/" + group, new StateSlice(square, first));
    }

    @Override
    public void update(Scope scope, Tensor parameters, Tensor gradient, AdamWStep step) {
      ops.adamw(scope, parameters, gradient, mean, square, step);
    }

    @Override
    public void update(
        Scope scope, Piece piece, Tensor parameters, Tensor gradient, AdamWStep step) {
      ops.adamw(
          scope,
          part(scope, parameters, piece),
          part(scope, gradient, piece),
          part(scope, mean, piece),
          part(scope, square, piece),
          step);
    }

    private Tensor part(Scope scope, Tensor slice, Piece piece) {
      return ops.view(scope, slice, piece.sliceElement(), piece.count());
    }
  }
}
