package org.sparkfinetune.engine.fsdp;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.sparkfinetune.engine.tensor.Ops;
import org.sparkfinetune.engine.tensor.Scope;
import org.sparkfinetune.engine.tensor.Tensor;
import org.sparkfinetune.engine.tensor.Tensor.ElementType;
import org.sparkfinetune.engine.tensor.Uploads;

/**
 * All ranks' slices of some groups of frozen weights, as they are stored, in the memory of this
 * rank's device. Groups come in the order of their first use until the budget is spent; they never
 * leave. So their bytes cross to the device once a run, and are not asked of other ranks again.
 */
final class ResidentShards {
  /** Bytes that cross at a time. */
  private static final int CHUNK = 64 << 20;

  private final Ops ops;
  private final Scope scope;
  private final Uploads uploads;
  private final Map<String, List<Tensor>> groups = new HashMap<>();
  private long left;

  /**
   * @param scope of the tensors
   * @param budget bytes
   */
  ResidentShards(Ops ops, Scope scope, Uploads uploads, long budget) {
    this.ops = ops;
    this.scope = scope;
    this.uploads = uploads;
    this.left = budget;
  }

  boolean holds(String group) {
    return groups.containsKey(group);
  }

  /** Whether a group of so many bytes that is not here would stay. */
  boolean takes(String group, long bytes) {
    return !holds(group) && bytes > 0 && bytes <= left;
  }

  /** Every rank's slice, in order: flat, uint8. */
  List<Tensor> slices(String group) {
    List<Tensor> slices = groups.get(group);
    if (slices == null) {
      throw new IllegalArgumentException("group " + group + " is not on the device");
    }
    return slices;
  }

  /** Takes a group in. */
  void take(String group, List<ByteBuffer> slices) {
    List<Tensor> own = new ArrayList<>();
    for (ByteBuffer slice : slices) {
      Tensor on = ops.empty(scope, ElementType.UINT8, slice.remaining());
      for (int at = 0; at < slice.remaining(); at += CHUNK) {
        copy(slice.slice(slice.position() + at, Math.min(CHUNK, slice.remaining() - at)), on, at);
      }
      own.add(on);
      left -= slice.remaining();
    }
    groups.put(group, own);
  }

  private void copy(ByteBuffer bytes, Tensor to, int at) {
    int size = bytes.remaining();
    try (Scope local = ops.torch().scope();
        Uploads.Upload upload = uploads.upload(List.of(size), host -> host.get(0).put(bytes))) {
      ops.copy(local, ops.view(local, to, at, size), upload.tensors().get(0));
    }
  }
}
