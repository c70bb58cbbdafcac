package org.sparkfinetune.inference.generate;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Stream;
import org.sparkfinetune.engine.fsdp.Workers;
import org.sparkfinetune.engine.tensor.Ops;
import org.sparkfinetune.engine.tensor.PackedOps.Product;
import org.sparkfinetune.engine.tensor.Processor;
import org.sparkfinetune.engine.tensor.Scope;
import org.sparkfinetune.engine.tensor.Tensor;
import org.sparkfinetune.engine.tensor.Tensor.ElementType;
import org.sparkfinetune.engine.tensor.Torch;
import org.sparkfinetune.inference.generate.DeviceModel.Numbers;
import org.sparkfinetune.inference.generate.Matrix.Form;

/**
 * The matrices of a model's layers as libtorch's products on the processor take them, in its
 * memory. Those with a common input lie one below the other, cut into a piece for each thread. The
 * embedding, the head and routers are not among them. May be used by any number of threads.
 */
public final class PackedWeights implements AutoCloseable {
  /** With fewer answers at a time products are no faster than vectors. */
  private static final int LEAST_BATCH = 8;

  /** Bytes of a model for which it takes longer to start libtorch than to decode. */
  private static final long LEAST_BYTES = 1L << 27;

  /** What libtorch takes itself. */
  private static final long LIBTORCH_BYTES = 1L << 29;

  private final Torch torch;
  private final Ops ops;
  private final Scope scope;
  private final ElementType type;
  private final Map<Matrix, Group> groups = new ConcurrentHashMap<>();

  /** Rows {@code [from, to)} of a group. */
  record Piece(int from, int to, int in, Tensor weights) {
    int rows() {
      return to - from;
    }
  }

  /** Linears with a common input. */
  record Group(List<Piece> pieces) {
    int in() {
      return pieces.get(0).in();
    }

    int widestPiece() {
      return pieces.stream().mapToInt(Piece::rows).max().orElse(0);
    }
  }

  private PackedWeights(Torch torch, ElementType type) {
    this.torch = torch;
    this.ops = new Ops(torch);
    this.scope = torch.scope();
    this.type = type;
  }

  /**
   * Why answers are not decoded with libtorch's products; empty if they should be.
   *
   * @param batchSize answers that are decoded together
   * @param room bytes that this process may take outside its heap
   */
  public static Optional<String> objection(
      DecodingModel model, Numbers numbers, int batchSize, long room) {
    if (numbers == Numbers.FLOAT32 || !canBeBfloat16(model)) {
      return Optional.of("the model is computed with in float32");
    }
    if (batchSize < LEAST_BATCH) {
      return Optional.of("batch_size is below " + LEAST_BATCH);
    }
    return objection(bytes(model), room)
        .or(
            () ->
                Processor.hasBfloat16Arithmetic()
                    ? Optional.empty()
                    : Optional.of("the processor has no arithmetic of bfloat16"));
  }

  /**
   * @param bytes of the packed weights
   */
  static Optional<String> objection(long bytes, long room) {
    if (bytes < LEAST_BYTES) {
      return Optional.of("the model is small");
    }
    long all = bytes + LIBTORCH_BYTES;
    return all <= room
        ? Optional.empty()
        : Optional.of(
            "that takes %s GiB beside the heap, and there is room for %s"
                .formatted(DeviceFit.gib(all), DeviceFit.gib(room)));
  }

  private static boolean canBeBfloat16(DecodingModel model) {
    return model
        .groups()
        .flatMap(List::stream)
        .allMatch(linear -> linear.matrix().form() == Form.PAIRS);
  }

  private static long bytes(DecodingModel model) {
    return model
        .groups()
        .flatMap(List::stream)
        .mapToLong(linear -> (long) linear.out() * linear.in() * ElementType.BFLOAT16.bytes())
        .sum();
  }

  /**
   * @param threads that decode together
   * @return with a libtorch of its own
   */
  public static PackedWeights of(DecodingModel model, int threads) {
    // Threads come to it together, each with a piece.
    return of(model.groups(), Torch.start(1), ElementType.BFLOAT16, threads);
  }

  /**
   * @param groups of linears with a common input each
   * @param torch closed with this
   */
  static PackedWeights of(Stream<List<Linear>> groups, Torch torch, ElementType type, int threads) {
    PackedWeights packed = new PackedWeights(torch, type);
    try (Workers workers = new Workers(threads)) {
      workers.run(groups.<Runnable>map(linears -> () -> packed.add(linears, threads)).toList());
      return packed;
    } catch (RuntimeException e) {
      packed.close();
      throw e;
    }
  }

  private void add(List<Linear> linears, int threads) {
    int rows = linears.stream().mapToInt(Linear::out).sum();
    int size = Kernels.panels((rows + threads - 1) / threads) * Kernels.PANEL;
    List<Piece> pieces = new ArrayList<>();
    for (int from = 0; from < rows; from += size) {
      int to = Math.min(rows, from + size);
      pieces.add(packed(linears, from, to));
    }
    groups.put(linears.get(0).matrix(), new Group(pieces));
  }

  private Piece packed(List<Linear> linears, int from, int to) {
    int in = linears.get(0).in();
    Tensor whole = ops.empty(scope, type, to - from, in);
    ByteBuffer bytes = whole.bytes();
    int first = 0;
    for (Linear linear : linears) {
      int end = Math.min(to, first + linear.out());
      for (int row = Math.max(from, first); row < end; row += Kernels.PANEL) {
        decode(linear.matrix(), row - first, Math.min(Kernels.PANEL, end - row), bytes);
      }
      first += linear.out();
    }
    return new Piece(from, to, in, ops.packed().pack(scope, whole));
  }

  private void decode(Matrix matrix, int row, int rows, ByteBuffer to) {
    ThreadBuffers buffers = ThreadBuffers.ofThisThread();
    int at = matrix.rows(row, rows, buffers);
    int count = rows * matrix.in();
    if (matrix.form() == Form.FLOATS) {
      to.asFloatBuffer().put(buffers.floats(0), at, count);
    } else if (type == ElementType.BFLOAT16) {
      to.asIntBuffer().put(buffers.ints(0), at, count / 2);
    } else {
      for (int i = 0; i < count / 2; i++) {
        int pair = buffers.ints(0)[at + i];
        to.putInt(to.position() + 8 * i, pair << 16);
        to.putInt(to.position() + 8 * i + 4, pair & 0xFFFF_0000);
      }
    }
    to.position(to.position() + count * type.bytes());
  }

  /** By the matrix of the first linear of each. */
  Map<Matrix, Group> groups() {
    return groups;
  }

  /**
   * Of n columns.
   *
   * @param x flat, of the weights' type, at its beginning (n, in)
   * @param out flat float32, receives (n, rows) at its beginning
   */
  Product product(Scope of, Tensor x, Piece piece, Tensor out, int n) {
    return ops.packed()
        .product(
            ops.view(of, x, 0, n, piece.in()),
            piece.weights(),
            ops.view(of, out, 0, n, piece.rows()));
  }

  /** Flat memory of a generator. */
  Tensor memory(Scope of, ElementType type, long elements) {
    return ops.zeros(of, type, elements);
  }

  /** Of the weights, and of what they are multiplied with. */
  ElementType type() {
    return type;
  }

  Scope newScope() {
    return scope.child();
  }

  @Override
  public void close() {
    scope.close();
    torch.close();
  }
}
