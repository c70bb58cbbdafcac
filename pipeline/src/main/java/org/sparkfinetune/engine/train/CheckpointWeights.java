package org.sparkfinetune.engine.train;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Map;
import java.util.Optional;
import org.sparkfinetune.engine.exchange.Shard.FileRange;
import org.sparkfinetune.engine.fsdp.WeightSource;
import org.sparkfinetune.engine.fsdp.WeightSource.PlainType;
import org.sparkfinetune.engine.fsdp.WeightSource.QuantizedWeight;
import org.sparkfinetune.model.safetensors.Checkpoint;
import org.sparkfinetune.model.safetensors.Floats;
import org.sparkfinetune.model.safetensors.TensorInfo;

/** Weights of a checkpoint, read by ranges and given as float32, whatever they are stored as. */
final class CheckpointWeights implements WeightSource {
  private static final ThreadLocal<ByteBuffer> BYTES =
      ThreadLocal.withInitial(() -> ByteBuffer.allocate(0));

  private final Checkpoint checkpoint;
  private final PrequantizedSource quantized;
  private final Map<String, String> aliases;

  CheckpointWeights(Checkpoint checkpoint) {
    this(checkpoint, Map.of());
  }

  /**
   * @param aliases weights that the checkpoint holds under another name
   */
  CheckpointWeights(Checkpoint checkpoint, Map<String, String> aliases) {
    this.checkpoint = checkpoint;
    this.quantized = new PrequantizedSource(checkpoint);
    this.aliases = Map.copyOf(aliases);
  }

  @Override
  public void read(String name, long first, float[] out, int count) {
    String stored = aliases.getOrDefault(name, name);
    if (quantized.has(stored)) {
      quantized.read(stored, first, out, count);
      return;
    }
    TensorInfo info = checkpoint.info(stored);
    int size = info.dtype().bytes();
    ByteBuffer bytes = buffer(count * size);
    checkpoint.read(stored, first * size, bytes);
    Floats.toFloats(info.dtype(), bytes.flip(), out, 0, count);
  }

  @Override
  public Optional<QuantizedWeight> quantized(String name) {
    return quantized.has(name) ? quantized.weight(name) : Optional.empty();
  }

  @Override
  public Optional<FileRange> located(String name, PlainType type) {
    String stored = aliases.getOrDefault(name, name);
    boolean asKept = !quantized.has(stored) && checkpoint.info(stored).dtype() == type.stored();
    return asKept ? PrequantizedSource.located(checkpoint, stored) : Optional.empty();
  }

  private static ByteBuffer buffer(int bytes) {
    if (BYTES.get().capacity() < bytes) {
      BYTES.set(ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN));
    }
    return BYTES.get().clear().limit(bytes);
  }
}
