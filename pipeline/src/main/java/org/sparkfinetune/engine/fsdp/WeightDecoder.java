package org.sparkfinetune.engine.fsdp;

import java.nio.ByteBuffer;
import java.util.List;
import java.util.function.Function;
import org.sparkfinetune.engine.fsdp.WeightSource.PlainType;
import org.sparkfinetune.engine.tensor.Ops;
import org.sparkfinetune.engine.tensor.Tensor;
import org.sparkfinetune.model.quant.Nf4Codec;
import org.sparkfinetune.model.safetensors.NamedShape;

/** Turns the bytes of frozen weights into tensors to compute with; float32 or bfloat16. */
public sealed interface WeightDecoder permits HostDecoder, DeviceDecoder {

  /** By host code where it sees tensors' memory, else by the device. */
  static WeightDecoder of(Ops ops, Nf4Codec codec, Workers workers) {
    return ops.torch().device().sharesHostMemory()
        ? new HostDecoder(codec, workers)
        : new DeviceDecoder(ops, workers);
  }

  /**
   * Decodes every tensor of a group.
   *
   * @param slices every rank's, in order
   * @param target memory for each tensor, of its shape
   */
  void decode(FrozenLayout layout, List<ByteBuffer> slices, Function<NamedShape, Tensor> target);

  /** Decodes numbers of a plain tensor into {@code out}. */
  void plain(PlainType type, List<PlainRun> runs, Tensor out);

  /**
   * Numbers that lie together.
   *
   * @param bytes from its position on
   * @param to element of the target that the first is
   */
  record PlainRun(ByteBuffer bytes, int count, long to) {}
}
