package org.sparkfinetune.engine.fsdp;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.function.Function;
import java.util.stream.IntStream;
import org.sparkfinetune.engine.exchange.ProcessGroup;
import org.sparkfinetune.engine.tensor.Tensor;
import org.sparkfinetune.model.safetensors.NamedShape;

/** Brings frozen weights together from all ranks' slices and decodes them for computing. */
public final class FrozenReader implements AutoCloseable {
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

  /** Asks for all ranks' slices of a group, unless they are on the device; returns at once. */
  public List<CompletableFuture<ByteBuffer>> fetch(String group) {
    if (decoder.holds(group)) {
      return List.of();
    }
    if (decoder.takes(group, bytes(group))) {
      return ask(group);
    }
    return switch (reshard) {
      case AFTER_EACH_USE -> ask(group);
      case AFTER_EACH_VERSION ->
          kept.computeIfAbsent(group, this::ask).stream()
              .map(slice -> slice.thenApply(bytes -> part(bytes, 0, bytes.remaining())))
              .toList();
    };
  }

  private long bytes(String group) {
    FrozenLayout layout = plan.layout(group);
    return IntStream.range(0, plan.ranks().size()).mapToLong(layout::sliceBytes).sum();
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
    if (!fetched.isEmpty() && decoder.takes(group, bytes(group))) {
      decoder.take(group, fetched);
    }
    decoder.decode(group, plan.layout(group), fetched, target);
    fetched.forEach(exchange::recycle);
  }

  /**
   * Elements of a plain tensor that were asked for.
   *
   * @param parts where they lie in ranks' slices; none if the device holds them
   */
  public record Range(String group, WeightDecoder.ElementRange elements, List<RangePart> parts) {}

  /**
   * A piece of a range that lies in one rank's slice.
   *
   * @param to its first element within the range
   */
  private record RangePart(CompletableFuture<ByteBuffer> bytes, int count, long to) {}

  /** Asks for a range of a plain tensor's elements, wherever they lie; returns at once. */
  public Range fetchRange(String group, NamedShape tensor, long first, long count) {
    takeWhole(group);
    return new Range(
        group,
        new WeightDecoder.ElementRange(tensor, first, count),
        decoder.holds(group) ? List.of() : parts(group, tensor, first, count));
  }

  /** A group that is read in ranges comes to the device at once, if it stays there. */
  private void takeWhole(String group) {
    if (!isTooLong(group) && decoder.takes(group, bytes(group))) {
      List<ByteBuffer> slices = ask(group).stream().map(exchange::await).toList();
      decoder.take(group, slices);
      slices.forEach(exchange::recycle);
    }
  }

  private List<RangePart> parts(String group, NamedShape tensor, long first, long count) {
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
  public void decodeRange(Range range, Tensor out) {
    if (decoder.holds(range.group())) {
      decoder.held(range.group(), plan.layout(range.group()), range.elements(), out);
    } else {
      decode(range.group(), range.parts(), out);
    }
  }

  private void decode(String group, List<RangePart> parts, Tensor out) {
    List<WeightDecoder.PlainRun> runs = new ArrayList<>();
    for (RangePart part : parts) {
      runs.add(new WeightDecoder.PlainRun(exchange.await(part.bytes()), part.count(), part.to()));
    }
    decoder.plain(plan.layout(group).plainType(), runs, out);
    runs.forEach(run -> exchange.recycle(run.bytes()));
  }

  /**
   * Rows of a plain tensor of two dimensions, wherever they lie: all asked for, then waited for.
   * They are few, so they come from the host even if the device holds the tensor.
   *
   * @param out (rows.length, width), float32 or bfloat16
   */
  public void rows(String group, NamedShape tensor, int[] rows, Tensor out) {
    long width = tensor.dimensions()[1];
    List<RangePart> parts = new ArrayList<>();
    for (int i = 0; i < rows.length; i++) {
      for (RangePart part : parts(group, tensor, rows[i] * width, width)) {
        parts.add(new RangePart(part.bytes(), part.count(), i * width + part.to()));
      }
    }
    decode(group, parts, out);
  }

  /** Bytes of frozen weights that were copied to the device until now. */
  public long copiedBytes() {
    return decoder.copiedBytes();
  }

  @Override
  public void close() {
    decoder.close();
  }

  /** What becomes of weights that were gathered from other ranks, once they were used. */
  public enum Reshard {
    /** They are let go, and gathered again for the next use. */
    AFTER_EACH_USE,
    /** They stay until there is another version of them: frozen ones for good. */
    AFTER_EACH_VERSION
  }
}
