package org.sparkfinetune.engine.train;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Optional;
import org.sparkfinetune.engine.exchange.Shard.FileRange;
import org.sparkfinetune.engine.fsdp.WeightSource.QuantizedWeight;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.model.quant.Absmax.PlainAbsmax;
import org.sparkfinetune.model.quant.NestedAbsmax;
import org.sparkfinetune.model.quant.Nf4Codec;
import org.sparkfinetune.model.quant.PrequantizedWeight;
import org.sparkfinetune.model.safetensors.Checkpoint;

/**
 * Weights that a checkpoint holds in NF4, as bitsandbytes stores them. Those with double
 * quantisation are taken as they are; single ones are decoded, and quantising them again finds the
 * same codes and absmax, since the largest weight of a block is its absmax.
 */
final class PrequantizedSource {
  private final Checkpoint checkpoint;

  /** Chunks of one weight are read one after the other. */
  private volatile Optional<PrequantizedWeight> latest = Optional.empty();

  PrequantizedSource(Checkpoint checkpoint) {
    this.checkpoint = checkpoint;
  }

  boolean has(String name) {
    return PrequantizedWeight.in(checkpoint, name);
  }

  /** Empty without double quantisation. */
  Optional<QuantizedWeight> weight(String name) {
    if (!(constants(name).absmax() instanceof NestedAbsmax absmax)) {
      return Optional.empty();
    }
    if (!absmax.hasUsualMap()) {
      throw new UserError(
          checkpoint.where(name)
              + ": "
              + name
              + ".nested_quant_map is not bitsandbytes' dynamic map; use the 16-bit weights.");
    }
    return Optional.of(new Stored(checkpoint, name, absmax));
  }

  private PrequantizedWeight constants(String name) {
    Optional<PrequantizedWeight> known = latest.filter(weight -> weight.name().equals(name));
    PrequantizedWeight weight = known.orElseGet(() -> PrequantizedWeight.read(checkpoint, name));
    latest = Optional.of(weight);
    return weight;
  }

  /** Decoded elements {@code [first, first + count)}. */
  void read(String name, long first, float[] out, int count) {
    PrequantizedWeight weight = constants(name);
    long firstBlock = first / Nf4Codec.BLOCK;
    int before = (int) (first % Nf4Codec.BLOCK);
    int weights = before + count;
    int blocks = Nf4Codec.blocks(weights);
    ByteBuffer packed = ByteBuffer.allocate(blocks * Nf4Codec.BLOCK_BYTES);
    readCodes(checkpoint, name, firstBlock, blocks, packed);
    ByteBuffer decoded = ByteBuffer.allocate(weights * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
    Nf4Codec codec = Nf4Codec.fastest();
    int block = Math.toIntExact(firstBlock);
    if (weight.absmax() instanceof NestedAbsmax nested) {
      codec.decodeToFloat32(packed, 0, nested, block, weights, decoded, 0);
    } else if (weight.absmax() instanceof PlainAbsmax plain) {
      codec.decodeToFloat32(packed, 0, plain.values(), block, weights, decoded, 0);
    }
    decoded.position(before * Float.BYTES);
    decoded.slice().order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().get(out, 0, count);
  }

  private static void readCodes(
      Checkpoint checkpoint, String name, long firstBlock, int blocks, ByteBuffer to) {
    long at = firstBlock * Nf4Codec.BLOCK_BYTES;
    long bytes =
        Math.min((long) blocks * Nf4Codec.BLOCK_BYTES, checkpoint.info(name).byteCount() - at);
    int limit = to.limit();
    checkpoint.read(name, at, to.limit(to.position() + (int) bytes));
    to.limit(limit);
  }

  static Optional<FileRange> located(Checkpoint checkpoint, String name) {
    return checkpoint
        .locate(name)
        .map(range -> new FileRange(range.file(), range.position(), range.length()));
  }

  private record Stored(Checkpoint checkpoint, String name, NestedAbsmax absmax)
      implements QuantizedWeight {
    @Override
    public void readCodes(long firstBlock, int blocks, ByteBuffer to) {
      PrequantizedSource.readCodes(checkpoint, name, firstBlock, blocks, to);
    }

    @Override
    public Optional<Located> located() {
      Optional<FileRange> codes = PrequantizedSource.located(checkpoint, name);
      Optional<FileRange> scales = PrequantizedSource.located(checkpoint, name + ".absmax");
      return codes.flatMap(c -> scales.map(s -> new Located(c, s)));
    }
  }
}
