package org.sparkfinetune.inference.generate;

import java.nio.FloatBuffer;
import java.nio.ShortBuffer;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.ToLongFunction;
import org.sparkfinetune.engine.tensor.PackedOps.Product;
import org.sparkfinetune.engine.tensor.Scope;
import org.sparkfinetune.engine.tensor.Tensor;
import org.sparkfinetune.engine.tensor.Tensor.ElementType;
import org.sparkfinetune.errors.Bug;
import org.sparkfinetune.inference.generate.Kernels.FastestKernels;
import org.sparkfinetune.inference.generate.PackedWeights.Group;
import org.sparkfinetune.inference.generate.PackedWeights.Piece;

/** A generator's products with {@link PackedWeights}, those of one input at a time. */
final class PackedProducts implements AutoCloseable {
  /** Fewer inputs are taken sooner than another thread has come. */
  private static final int LEAST_SHARED = 1 << 13;

  private final PackedWeights weights;
  private final SpinningPool pool;
  private final Scope scope;
  private final Inputs inputs;
  private final Map<Matrix, List<Part>> groups = new HashMap<>();

  /** Memory of a tensor of float32. */
  private record Flat(Tensor tensor, FloatBuffer floats) {}

  /** What products read: columns of the weights' type. */
  private interface Inputs {
    Tensor tensor();

    /** Takes x's elements {@code [from, to)}. */
    void take(float[] x, int from, int to);
  }

  private record Float32Inputs(Tensor tensor, FloatBuffer floats) implements Inputs {
    @Override
    public void take(float[] x, int from, int to) {
      floats.put(from, x, from, to - from);
    }
  }

  /**
   * @param rounded as many, on their way
   */
  @SuppressWarnings("ArrayRecordComponent")
  private record Bfloat16Inputs(Tensor tensor, ShortBuffer shorts, short[] rounded)
      implements Inputs {
    @Override
    public void take(float[] x, int from, int to) {
      FastestKernels.KERNELS.bfloat16(x, from, to - from, rounded);
      shorts.put(from, rounded, from, to - from);
    }
  }

  /** A piece's products. */
  private final class Part implements AutoCloseable {
    private final Piece piece;
    private final Flat results;
    private final Map<Integer, Product> products = new HashMap<>();

    Part(Piece piece, Flat results) {
      this.piece = piece;
      this.results = results;
    }

    /** Of the first n columns that are in the inputs; gives (n, rows of the piece). */
    FloatBuffer product(int n) {
      products.computeIfAbsent(padded(n), this::newProduct).make();
      return results.floats();
    }

    private Product newProduct(int n) {
      return weights.product(scope, inputs.tensor(), piece, results.tensor(), n);
    }

    @Override
    public void close() {
      products.values().forEach(Product::close);
    }
  }

  /**
   * @param columns at most
   */
  PackedProducts(PackedWeights weights, SpinningPool pool, int columns) {
    this.weights = weights;
    this.pool = pool;
    this.scope = weights.newScope();
    this.inputs = inputs(columns);
    // Pieces of different groups never meet, so they share memory.
    List<Flat> results = new ArrayList<>();
    weights
        .groups()
        .forEach(
            (first, group) -> {
              List<Part> parts = new ArrayList<>();
              for (Piece piece : group.pieces()) {
                if (results.size() == parts.size()) {
                  results.add(results(columns));
                }
                parts.add(new Part(piece, results.get(parts.size())));
              }
              groups.put(first, parts);
            });
  }

  private Inputs inputs(int columns) {
    Tensor tensor = memory(weights.type(), columns, Group::in);
    return switch (weights.type()) {
      case BFLOAT16 ->
          new Bfloat16Inputs(
              tensor,
              tensor.bytes().asShortBuffer(),
              new short[Math.toIntExact(tensor.elements())]);
      case FLOAT32 -> new Float32Inputs(tensor, tensor.bytes().asFloatBuffer());
      default -> throw new Bug("There are no packed weights of " + weights.type() + ".");
    };
  }

  private Flat results(int columns) {
    Tensor tensor = memory(ElementType.FLOAT32, columns, Group::widestPiece);
    return new Flat(tensor, tensor.bytes().asFloatBuffer());
  }

  private Tensor memory(ElementType type, int columns, ToLongFunction<Group> width) {
    long widest = weights.groups().values().stream().mapToLong(width).max().orElse(0);
    return weights.memory(scope, type, padded(columns) * widest);
  }

  /** oneDNN makes a kernel for each number of columns, so there are few of them. */
  private static int padded(int n) {
    int step = n <= 8 ? 4 : n <= 64 ? 8 : 32;
    return (n + step - 1) / step * step;
  }

  /**
   * {@code W x} of linears with a common input, all threads together.
   *
   * @param x (n, in)
   * @param outs for each linear (n, out)
   * @return whether the weights are here
   */
  boolean apply(List<Linear> linears, float[] x, int n, List<float[]> outs) {
    Matrix first = linears.get(0).matrix();
    List<Part> parts = groups.getOrDefault(first, List.of());
    if (!parts.isEmpty()) {
      // What an earlier product has left behind n is computed with, and not looked at.
      take(x, n * first.in());
      pool.run(parts.size(), i -> apply(parts.get(i), linears, n, outs));
    }
    return !parts.isEmpty();
  }

  /** All threads together where there is enough to take. */
  private void take(float[] x, int count) {
    int shares = count < LEAST_SHARED ? 1 : pool.threads();
    pool.run(
        shares,
        i ->
            inputs.take(
                x, (int) ((long) count * i / shares), (int) ((long) count * (i + 1) / shares)));
  }

  private static void apply(Part part, List<Linear> linears, int n, List<float[]> outs) {
    Piece piece = part.piece;
    FloatBuffer results = part.product(n);
    int first = 0;
    for (int i = 0; i < outs.size(); i++) {
      int out = linears.get(i).out();
      int from = Math.max(piece.from(), first);
      int count = Math.min(piece.to(), first + out) - from;
      for (int t = 0; t < n && count > 0; t++) {
        int at = t * piece.rows() + from - piece.from();
        results.get(at, outs.get(i), t * out + from - first, count);
      }
      first += out;
    }
  }

  @Override
  public void close() {
    groups.values().stream().flatMap(List::stream).forEach(Part::close);
    scope.close();
  }
}
