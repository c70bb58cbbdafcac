package org.sparkfinetune.engine.fsdp;

import java.nio.ByteBuffer;
import java.util.List;
import java.util.function.Function;
import org.sparkfinetune.engine.fsdp.WeightSource.PlainType;
import org.sparkfinetune.engine.tensor.Ops;
import org.sparkfinetune.engine.tensor.Scope;
import org.sparkfinetune.engine.tensor.Tensor;
import org.sparkfinetune.model.quant.Nf4Codec;
import org.sparkfinetune.model.safetensors.NamedShape;

/** Turns the bytes of frozen weights into tensors to compute with; float32 or bfloat16. */
public sealed interface WeightDecoder extends AutoCloseable permits HostDecoder, DeviceDecoder {

  /**
   * By host code where it sees tensors' memory, else by the device.
   *
   * @param scope of what stays on the device; it outlives the decoder
   * @param resident bytes of frozen weights that may stay on the device as they are stored
   */
  static WeightDecoder of(Ops ops, Nf4Codec codec, Workers workers, Scope scope, long resident) {
    return ops.torch().device().sharesHostMemory()
        ? new HostDecoder(codec, workers)
        : new DeviceDecoder(ops, workers, scope, resident);
  }

  /** Whether all slices of a group are on the device, so that nothing has to be brought there. */
  default boolean holds(String group) {
    return false;
  }

  /** Whether {@link #take} is wanted for a group of so many bytes. */
  default boolean takes(String group, long bytes) {
    return false;
  }

  /**
   * Copies a group to the device to stay there.
   *
   * @param slices every rank's, in order
   */
  default void take(String group, List<ByteBuffer> slices) {
    throw new UnsupportedOperationException("tensors are in the host's memory");
  }

  /** Bytes of frozen weights that were copied to the device until now. */
  default long copiedBytes() {
    return 0;
  }

  /**
   * Decodes every tensor of a group.
   *
   * @param slices every rank's, in order; of no account if the decoder holds the group
   * @param target memory for each tensor, of its shape
   */
  void decode(
      String group,
      FrozenLayout layout,
      List<ByteBuffer> slices,
      Function<NamedShape, Tensor> target);

  /** Decodes numbers of a plain tensor into {@code out}. */
  void plain(PlainType type, List<PlainRun> runs, Tensor out);

  /** Decodes elements of a plain tensor of a group that the decoder holds. */
  default void held(String group, FrozenLayout layout, ElementRange range, Tensor out) {
    throw new UnsupportedOperationException("tensors are in the host's memory");
  }

  @Override
  default void close() {}

  /**
   * Numbers that lie together.
   *
   * @param bytes from its position on
   * @param to element of the target that the first is
   */
  record PlainRun(ByteBuffer bytes, int count, long to) {}

  /** Elements of a plain tensor, row-major. */
  record ElementRange(NamedShape tensor, long first, long count) {}
}
