package org.sparkfinetune.engine.tensor;

import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.jni.JniUtils;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import org.sparkfinetune.errors.Bug;

/**
 * A handle on libtorch memory. It lives until its {@link Scope} is closed, or it is closed itself.
 * Arithmetic is in {@link Ops}; a tensor is only data with a shape.
 */
public final class Tensor implements AutoCloseable {
  private final PtNDArray array;
  private final Memory memory;

  /** Who sees a tensor's values. */
  enum Memory {
    OF_HOST,
    OF_DEVICE
  }

  Tensor(PtNDArray array, Memory memory) {
    this.array = array;
    this.memory = memory;
  }

  PtNDArray array() {
    return array;
  }

  Memory memory() {
    return memory;
  }

  public ElementType type() {
    return switch (array.getDataType()) {
      case UINT8 -> ElementType.UINT8;
      case INT64 -> ElementType.INT64;
      case FLOAT32 -> ElementType.FLOAT32;
      case FLOAT64 -> ElementType.FLOAT64;
      // DJL has no name for a bfloat16 tensor that libtorch made.
      case UNKNOWN -> ElementType.BFLOAT16;
      default -> throw new IllegalStateException("unexpected type " + array.getDataType());
    };
  }

  public long[] shape() {
    return array.getShape().getShape();
  }

  public long size(int dimension) {
    long[] shape = shape();
    return shape[dimension < 0 ? shape.length + dimension : dimension];
  }

  public long elements() {
    return Arrays.stream(shape()).reduce(1, Math::multiplyExact);
  }

  /**
   * A writable view of a contiguous tensor's own memory, little-endian, at most 2 GiB (of more
   * there is {@link HostMemory#buffers}); valid as long as the tensor is open. Of tensors that host
   * code sees: all on the CPU, else those of {@link HostMemory}.
   */
  public ByteBuffer bytes() {
    if (memory == Memory.OF_DEVICE) {
      throw new Bug("Host code looked at a tensor on the device without copying it first.");
    }
    if (elements() * type().bytes() > Integer.MAX_VALUE) {
      throw new Bug("One buffer was asked for of a tensor of shape " + Arrays.toString(shape()));
    }
    return JniUtils.getByteBuffer(array, true).order(ByteOrder.LITTLE_ENDIAN);
  }

  /** A copy of the values of a contiguous float32 tensor that host code sees. */
  public float[] toFloats() {
    float[] values = new float[Math.toIntExact(elements())];
    bytes().asFloatBuffer().get(values);
    return values;
  }

  /** Moves this tensor to {@code scope}: it dies with that one. */
  public Tensor moveTo(Scope scope) {
    array.attach(scope.manager());
    return this;
  }

  @Override
  public void close() {
    array.close();
  }

  /** Element types of tensors; {@code code} is libtorch's number for it in scripts. */
  public enum ElementType {
    UINT8(0, 1),
    INT64(4, 8),
    FLOAT32(6, 4),
    FLOAT64(7, 8),
    BFLOAT16(15, 2);

    private final int code;
    private final int bytes;

    ElementType(int code, int bytes) {
      this.code = code;
      this.bytes = bytes;
    }

    int code() {
      return code;
    }

    public int bytes() {
      return bytes;
    }
  }
}
