package org.sparkfinetune.inference.generate;

import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.ToLongFunction;
import org.sparkfinetune.engine.tensor.PackedOps.Product;
import org.sparkfinetune.engine.tensor.Scope;
import org.sparkfinetune.engine.tensor.Tensor;
import org.sparkfinetune.inference.generate.PackedWeights.Group;
import org.sparkfinetune.inference.generate.PackedWeights.Piece;

/** A generator's products with {@link PackedWeights}, those of one input at a time. */
final class PackedProducts implements AutoCloseable {
  private final PackedWeights weights;
  private final SpinningPool pool;
  private final Scope scope;
  private final Flat inputs;
  private final Map<Matrix, List<Part>> groups = new HashMap<>();

  /** Memory of a tensor. */
  private record Flat(Tensor tensor, FloatBuffer floats) {}

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
    this.inputs = flat(columns, Group::in);
    // Pieces of different groups never meet, so they share memory.
    List<Flat> results = new ArrayList<>();
    weights
        .groups()
        .forEach(
            (first, group) -> {
              List<Part> parts = new ArrayList<>();
              for (Piece piece : group.pieces()) {
                if (results.size() == parts.size()) {
                  results.add(flat(columns, Group::widestPiece));
                }
                parts.add(new Part(piece, results.get(parts.size())));
              }
              groups.put(first, parts);
            });
  }

  private Flat flat(int columns, ToLongFunction<Group> width) {
    long widest = weights.groups().values().stream().mapToLong(width).max().orElse(0);
    Tensor tensor = weights.memory(scope, padded(columns) * widest);
    return new Flat(tensor, tensor.bytes().asFloatBuffer());
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
      inputs.floats().put(0, x, 0, n * first.in());
      pool.run(parts.size(), i -> apply(parts.get(i), linears, n, outs));
    }
    return !parts.isEmpty();
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
