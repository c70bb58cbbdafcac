package org.sparkfinetune.train;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.fsdp.QuantizedWeight;
import org.sparkfinetune.fsdp.WeightSource;
import org.sparkfinetune.safetensors.Checkpoint;
import org.sparkfinetune.safetensors.Floats;
import org.sparkfinetune.safetensors.TensorInfo;
import org.sparkfinetune.tensor.NamedShape;

/** Weights of a Hugging Face model folder, read by ranges and given as float32. */
final class CheckpointWeights implements WeightSource {
  private static final ThreadLocal<ByteBuffer> BYTES =
      ThreadLocal.withInitial(() -> ByteBuffer.allocate(0));

  private final Checkpoint checkpoint;
  private final PrequantizedSource quantized;
  private final Map<String, String> aliases;

  CheckpointWeights(Checkpoint checkpoint, List<NamedShape> expected) {
    this(checkpoint, expected, Map.of());
  }

  /**
   * @param aliases weights that the checkpoint holds under another name
   * @throws UserError if a weight is missing, or has another shape or a type that is not a float
   */
  CheckpointWeights(Checkpoint checkpoint, List<NamedShape> expected, Map<String, String> aliases) {
    this.checkpoint = checkpoint;
    this.quantized = new PrequantizedSource(checkpoint);
    this.aliases = Map.copyOf(aliases);
    expected.forEach(this::check);
  }

  private void check(NamedShape expected) {
    if (quantized.has(expected.name())) {
      quantized.check(expected);
      return;
    }
    TensorInfo info = checkpoint.info(expected.name());
    if (!Arrays.equals(info.shape(), expected.dimensions())) {
      throw new UserError(
          String.format(
              "%s: the tensor %s has shape %s, but config.json asks for %s. The weights and the"
                  + " configuration are of different models.",
              checkpoint.where(expected.name()),
              expected.name(),
              Arrays.toString(info.shape()),
              expected.shape()));
    }
    switch (info.dtype()) {
      case F32, F16, BF16 -> {}
      case F64, I64, I32, I16, I8, U8, BOOL ->
          throw new UserError(
              String.format(
                  "%s: the tensor %s is of type %s; weights are read from F32, F16 and BF16.",
                  checkpoint.where(expected.name()), expected.name(), info.dtype()));
    }
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

  private static ByteBuffer buffer(int bytes) {
    if (BYTES.get().capacity() < bytes) {
      BYTES.set(ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN));
    }
    return BYTES.get().clear().limit(bytes);
  }
}
