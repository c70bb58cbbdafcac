package org.sparkfinetune.train;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.List;
import org.sparkfinetune.errors.UserError;
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

  /**
   * @throws UserError if a weight is missing, or has another shape or a type that is not a float
   */
  CheckpointWeights(Checkpoint checkpoint, List<NamedShape> expected) {
    this.checkpoint = checkpoint;
    expected.forEach(this::check);
  }

  private void check(NamedShape expected) {
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
    TensorInfo info = checkpoint.info(name);
    int size = info.dtype().bytes();
    ByteBuffer bytes = buffer(count * size);
    checkpoint.read(name, first * size, bytes);
    Floats.toFloats(info.dtype(), bytes.flip(), out, 0, count);
  }

  private static ByteBuffer buffer(int bytes) {
    if (BYTES.get().capacity() < bytes) {
      BYTES.set(ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN));
    }
    return BYTES.get().clear().limit(bytes);
  }
}
