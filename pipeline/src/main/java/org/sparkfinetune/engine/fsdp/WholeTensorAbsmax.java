package org.sparkfinetune.engine.fsdp;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import org.sparkfinetune.engine.exchange.ProcessGroup;
import org.sparkfinetune.engine.fsdp.WeightSource.QuantizedWeight;
import org.sparkfinetune.model.quant.DoubleQuantization;
import org.sparkfinetune.model.quant.NestedAbsmax;
import org.sparkfinetune.model.safetensors.NamedShape;

/**
 * The quantisation constants of a group's tensors, each those of the whole tensor: every rank finds
 * the absmax of its own blocks, and all see all. The mean under double quantisation and the groups
 * of 256 blocks would otherwise depend on how the model was cut.
 */
final class WholeTensorAbsmax {
  private static final String NAME = "absmax";

  private final Map<String, NestedAbsmax> nested = new LinkedHashMap<>();

  private WholeTensorAbsmax(WeightChunks chunks, FrozenLayout layout, Map<String, float[]> found) {
    for (NamedShape tensor : layout.quantized()) {
      nested.put(
          tensor.name(),
          chunks
              .quantized(tensor)
              .map(QuantizedWeight::absmax)
              .orElseGet(() -> nested(found.getOrDefault(tensor.name(), new float[0]))));
    }
  }

  NestedAbsmax of(NamedShape tensor) {
    NestedAbsmax found = nested.get(tensor.name());
    if (found == null) {
      throw new IllegalArgumentException("no quantised tensor " + tensor.name());
    }
    return found;
  }

  /** All ranks have to do this at the same time, with a version that grows. */
  static WholeTensorAbsmax exchange(
      WeightChunks chunks,
      FrozenLayout layout,
      ShardRanks ranks,
      ProcessGroup exchange,
      long version) {
    exchange.publish(NAME, version, own(chunks, layout, ranks.position()));
    List<CompletableFuture<ByteBuffer>> slices = new ArrayList<>();
    for (int rank : ranks.ranks()) {
      slices.add(exchange.published(rank, NAME, version));
    }
    Map<String, float[]> absmax = new LinkedHashMap<>();
    for (NamedShape tensor : layout.quantized()) {
      absmax.put(tensor.name(), new float[Math.toIntExact(FrozenLayout.blocks(tensor))]);
    }
    for (int rank = 0; rank < slices.size(); rank++) {
      ByteBuffer slice = exchange.await(slices.get(rank));
      var values = slice.duplicate().order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer();
      for (FrozenLayout.QuantizedPiece piece : layout.quantizedPieces(rank)) {
        float[] part = new float[piece.blocks()];
        values.get(Math.toIntExact(piece.sliceBlock()), part);
        int first = Math.toIntExact(piece.firstBlock());
        absmax.computeIfPresent(piece.tensor().name(), (name, all) -> put(part, all, first));
      }
      exchange.recycle(slice);
    }
    exchange.sum("absmax read", version, new double[] {0});
    return new WholeTensorAbsmax(chunks, layout, absmax);
  }

  private static float[] put(float[] part, float[] all, int at) {
    System.arraycopy(part, 0, all, at, part.length);
    return all;
  }

  private static ByteBuffer own(WeightChunks chunks, FrozenLayout layout, int rank) {
    int bytes = Math.toIntExact(layout.blockCount(rank) * Float.BYTES);
    ByteBuffer own = ByteBuffer.allocateDirect(bytes).order(ByteOrder.LITTLE_ENDIAN);
    var values = own.asFloatBuffer();
    for (FrozenLayout.QuantizedPiece piece : layout.quantizedPieces(rank)) {
      if (chunks.quantized(piece.tensor()).isPresent()) {
        // Its constants are stored beside it.
        continue;
      }
      int at = Math.toIntExact(piece.sliceBlock());
      chunks.forEach(
          piece,
          (weights, count, firstBlock) ->
              values.put(at + firstBlock, chunks.absmax(weights, count)));
    }
    return own;
  }

  private static NestedAbsmax nested(float[] absmax) {
    double sum = DoubleQuantization.sum(absmax, 0, absmax.length);
    return DoubleQuantization.encode(absmax, DoubleQuantization.offset(sum, absmax.length));
  }
}
