package org.sparkfinetune.model.family;

import java.nio.ByteBuffer;
import org.sparkfinetune.model.safetensors.Checkpoint;
import org.sparkfinetune.model.safetensors.DType;
import org.sparkfinetune.model.safetensors.Floats;

/** A tensor of F32, F16 or BF16 in a checkpoint. */
record PlainWeightValues(Checkpoint checkpoint, String name) implements WeightValues {
  @Override
  public void read(long first, float[] out, int count) {
    DType type = checkpoint.info(name).dtype();
    ByteBuffer bytes = ByteBuffer.allocate(count * type.bytes());
    checkpoint.read(name, first * type.bytes(), bytes);
    Floats.toFloats(type, bytes.flip(), out, 0, count);
  }
}
