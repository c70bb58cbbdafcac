package org.sparkfinetune.engine.fsdp;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.function.Function;
import org.sparkfinetune.engine.exchange.ProcessGroup;
import org.sparkfinetune.engine.tensor.Tensor;
import org.sparkfinetune.model.safetensors.NamedShape;

/** Brings frozen weights together from all ranks' slices and decodes them for computing. */
public final class FrozenReader {
  private final ShardPlan plan;
  private final ProcessGroup exchange;
  private final WeightDecoder decoder;
  private final Reshard reshard;
  private final Map<String, List<CompletableFuture<ByteBuffer>>> kept = new HashMap<>();

  public FrozenReader(
      ShardPlan plan, ProcessGroup exchange, WeightDecoder decoder, Reshard reshard) {
    this.plan = plan;
    this.exchange = exchange;
    this.decoder = decoder;
    this.reshard = reshard;
  }

  /** Asks for all ranks' slices of a group; returns at once. */
  public List<CompletableFuture<ByteBuffer>> fetch(String group) {
    return switch (reshard) {
      case AFTER_EACH_USE -> ask(group);
      case AFTER_EACH_VERSION ->
          kept.computeIfAbsent(group, this::ask).stream()
              .map(slice -> slice.thenApply(bytes -> part(bytes, 0, bytes.remaining())))
              .toList();
    };
  }

  private List<CompletableFuture<ByteBuffer>> ask(String group) {
    List<CompletableFuture<ByteBuffer>> slices = new ArrayList<>();
    for (int position = 0; position < plan.ranks().size(); position++) {
      int bytes = Math.toIntExact(plan.layout(group).sliceBytes(position));
      slices.add(askFor(group, position, 0, bytes));
    }
    return slices;
  }

  /** A part of the slice of the rank at {@code position}. */
  private CompletableFuture<ByteBuffer> fetch(String group, int position, long at, int length) {
    return reshard == Reshard.AFTER_EACH_USE || isTooLong(group)
        ? askFor(group, position, at, length)
        : kept.computeIfAbsent(group, this::ask)
            .get(position)
            .thenApply(bytes -> part(bytes, Math.toIntExact(at), length));
  }

  /** Whether a slice does not fit into one buffer: an embedding or a head, read in parts anyway. */
  private boolean isTooLong(String group) {
    return plan.layout(group).sliceBytes(0) > Integer.MAX_VALUE;
  }

  private CompletableFuture<ByteBuffer> askFor(String group, int position, long at, int length) {
    int rank = plan.ranks().ranks().get(position);
    return exchange.frozen(rank, plan.offset(group, position) + at, length);
  }

  /** A view of its own, which the exchange does not take back. */
  private static ByteBuffer part(ByteBuffer bytes, int at, int length) {
    return bytes.slice(bytes.position() + at, length).order(ByteOrder.LITTLE_ENDIAN);
  }

  /**
   * Waits for the slices and decodes every tensor of the group.
   *
   * @param target memory for each tensor: its shape, float32 or bfloat16
   */
  public void decode(
      String group,
      List<CompletableFuture<ByteBuffer>> slices,
      Function<NamedShape, Tensor> target) {
    List<ByteBuffer> fetched = slices.stream().map(exchange::await).toList();
    decoder.decode(plan.layout(group), fetched, target);
    fetched.forEach(exchange::recycle);
  }

  /**
   * A piece of a range that lies in one rank's slice.
   *
   * @param to its first element within the range
   */
  public record RangePart(CompletableFuture<ByteBuffer> bytes, int count, long to) {}

  /** Asks for a range of a plain tensor's elements, wherever they lie; returns at once. */
  public List<RangePart> fetchRange(String group, NamedShape tensor, long first, long count) {
    FrozenLayout layout = plan.layout(group);
    List<RangePart> parts = new ArrayList<>();
    long at = first;
    while (at < first + count) {
      FrozenLayout.PlainPlace place = layout.place(tensor, at);
      int part = Math.toIntExact(Math.min(first + count - at, place.left()));
      int bytes = part * layout.plainType().bytes();
      parts.add(new RangePart(fetch(group, place.rank(), place.byteAt(), bytes), part, at - first));
      at += part;
    }
    return parts;
  }

  /**
   * Waits for a range and decodes it.
   *
   * @param out at least as long as the range, float32 or bfloat16
   */
  public void decodeRange(String group, List<RangePart> parts, Tensor out) {
    List<WeightDecoder.PlainRun> runs = new ArrayList<>();
    for (RangePart part : parts) {
      runs.add(new WeightDecoder.PlainRun(exchange.await(part.bytes()), part.count(), part.to()));
    }
    decoder.plain(plan.layout(group).plainType(), runs, out);
    runs.forEach(run -> exchange.recycle(run.bytes()));
  }

  /**
   * Rows of a plain tensor of two dimensions, wherever they lie: all asked for, then waited for.
   *
   * @param out (rows.length, width), float32 or bfloat16
   */
  public void rows(String group, NamedShape tensor, int[] rows, Tensor out) {
    long width = tensor.dimensions()[1];
    List<RangePart> parts = new ArrayList<>();
    for (int i = 0; i < rows.length; i++) {
      for (RangePart part : fetchRange(group, tensor, rows[i] * width, width)) {
        parts.add(new RangePart(part.bytes(), part.count(), i * width + part.to()));
      }
    }
    decodeRange(group, parts, out);
  }

  /** What becomes of weights that were gathered from other ranks, once they were used. */
  public enum Reshard {
    /** They are let go, and gathered again for the next use. */
    AFTER_EACH_USE,
    /** They stay until there is another version of them: frozen ones for good. */
    AFTER_EACH_VERSION
  }
}
