package org.sparkfinetune.engine.fsdp;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Optional;
import org.sparkfinetune.engine.fsdp.WeightSource.QuantizedWeight;
import org.sparkfinetune.model.quant.Nf4Codec;
import org.sparkfinetune.model.safetensors.NamedShape;

/** Goes through the weights of a slice a bounded chunk at a time. */
final class WeightChunks {
  /** Weights in memory at a time; a multiple of a block. */
  static final int SIZE = 1 << 20;

  private final WeightSource source;
  private final Nf4Codec codec;

  WeightChunks(WeightSource source, Nf4Codec codec) {
    this.source = source;
    this.codec = codec;
  }

  Optional<QuantizedWeight> quantized(NamedShape tensor) {
    return source.quantized(tensor.name());
  }

  /** What to do with a chunk. */
  interface Work {
    /**
     * @param weights the chunk in {@code [0, count)}; used again for the next
     * @param firstBlock counted from the piece's first
     */
    void accept(float[] weights, int count, int firstBlock) throws IOException;
  }

  void forEach(FrozenLayout.QuantizedPiece piece, Work work) {
    float[] weights = new float[Math.min(SIZE, piece.weights())];
    long first = piece.firstBlock() * FrozenLayout.BLOCK;
    try {
      for (int done = 0; done < piece.weights(); done += SIZE) {
        int count = Math.min(SIZE, piece.weights() - done);
        source.read(piece.tensor().name(), first + done, weights, count);
        work.accept(weights, count, done / FrozenLayout.BLOCK);
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  float[] absmax(float[] weights, int count) {
    float[] absmax = new float[Nf4Codec.blocks(count)];
    codec.absmax(weights, 0, count, absmax, 0);
    return absmax;
  }
}
