package org.sparkfinetune.engine.tensor;

import static org.sparkfinetune.engine.tensor.Torch.value;

import ai.djl.pytorch.jni.IValue;
import org.sparkfinetune.engine.tensor.Tensor.ElementType;

/**
 * Products with weights that stay and meet ever new columns, on the host's processor: weights are
 * laid out once as its units want them, which plain products do anew each time. What a column gives
 * depends on no other, nor on how many there are.
 */
public final class PackedOps {
  /** So many columns the layout is best for; it serves any number. */
  private static final long COLUMNS = 32;

  private final Torch torch;

  PackedOps(Torch torch) {
    this.torch = torch;
  }

  /**
   * @param w (rows, in) float32 or bfloat16; taken over
   * @return what only {@link #product} can read
   */
  public Tensor pack(Scope scope, Tensor w) {
    // oneDNN refuses bfloat16 on other processors.
    if (w.type() == ElementType.BFLOAT16 && !Processor.hasBfloat16Arithmetic()) {
      return w.moveTo(scope);
    }
    try (w) {
      return torch.tensor(scope, "packed", value(w), IValue.from(COLUMNS));
    }
  }

  /**
   * {@code out = x W'}: sums are made in float32 and rounded to the weights' type.
   *
   * @param x (n, in), of the weights' type
   * @param w packed, (rows, in)
   * @param out float32 (n, rows)
   */
  public Product product(Tensor x, Tensor w, Tensor out) {
    return new Product(value(x), value(w), value(out));
  }

  /** A product that is made often: what it is made of stays handed over. */
  public final class Product implements AutoCloseable {
    private final IValue x;
    private final IValue w;
    private final IValue out;

    private Product(IValue x, IValue w, IValue out) {
      this.x = x;
      this.w = w;
      this.out = out;
    }

    /** Makes it of what is in x now. */
    public void make() {
      torch.again("packed_product", x, w, out);
    }

    @Override
    public void close() {
      x.close();
      w.close();
      out.close();
    }
  }
}
