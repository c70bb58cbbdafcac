package org.sparkfinetune.engine.train;

import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import org.sparkfinetune.engine.tensor.Ops;
import org.sparkfinetune.engine.tensor.Scope;
import org.sparkfinetune.engine.tensor.Tensor;
import org.sparkfinetune.engine.tensor.Tensor.ElementType;

/**
 * Activations side by side in blocks of memory that stay from step to step. Left where it was made,
 * each would lie between tensors of its layer that go, and could leave holes there that the next
 * layer's larger ones do not fit into.
 */
final class ActivationBlocks implements ActivationStore {
  /** Tensors begin at multiples of so many elements, as libtorch's own do: at 64 bytes or more. */
  private static final int ALIGNMENT = 64;

  private final Ops ops;
  private final Scope scope;
  private final Map<ElementType, Blocks> blocks = new EnumMap<>(ElementType.class);

  ActivationBlocks(Ops ops, Scope scope) {
    this.ops = ops;
    this.scope = scope;
  }

  @Override
  public Stored keep(Tensor x) {
    Tensor place = blocks.computeIfAbsent(x.type(), Blocks::new).place(x.elements(), x.shape());
    ops.copy(scope, place, x);
    x.close();
    return new InMemory(place);
  }

  @Override
  public void reset() {
    blocks.values().forEach(Blocks::reset);
  }

  /** Blocks of one type, filled one after the other. */
  private final class Blocks {
    private final ElementType type;
    private final List<Tensor> all = new ArrayList<>();
    private int current;
    private long end;

    Blocks(ElementType type) {
      this.type = type;
    }

    void reset() {
      current = 0;
      end = 0;
    }

    Tensor place(long elements, long[] shape) {
      while (current < all.size() && end + elements > all.get(current).elements()) {
        current++;
        end = 0;
      }
      if (current == all.size()) {
        long usual = ops.torch().device().sizes().activationBlockBytes() / type.bytes();
        all.add(ops.empty(scope, type, Math.max(usual, elements)));
      }
      Tensor place = ops.view(scope, all.get(current), end, shape);
      end += (elements + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
      return place;
    }
  }
}
