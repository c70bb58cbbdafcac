package org.sparkfinetune.engine.fsdp;

import java.nio.ByteBuffer;
import java.util.Optional;
import org.sparkfinetune.engine.exchange.Shard.FileRange;
import org.sparkfinetune.engine.tensor.Tensor.ElementType;
import org.sparkfinetune.model.quant.NestedAbsmax;
import org.sparkfinetune.model.safetensors.DType;

/** Where weights come from: a checkpoint, or numbers made up. Safe for several threads. */
public interface WeightSource {
  /** Elements {@code [first, first + count)} of a tensor, row-major, into {@code out} from 0 on. */
  void read(String name, long first, float[] out, int count);

  /** The weight as it is stored, if that is NF4 with double quantisation. */
  default Optional<QuantizedWeight> quantized(String name) {
    return Optional.empty();
  }

  /** Where the weight lies on the local disk, if all its elements lie there as {@code type}. */
  default Optional<FileRange> located(String name, PlainType type) {
    return Optional.empty();
  }

  /** How frozen weights that are not quantised are kept. */
  enum PlainType {
    FLOAT32(DType.F32, ElementType.FLOAT32),
    BFLOAT16(DType.BF16, ElementType.BFLOAT16);

    private final DType stored;
    private final ElementType element;

    PlainType(DType stored, ElementType element) {
      this.stored = stored;
      this.element = element;
    }

    /** As tensors call it. */
    ElementType element() {
      return element;
    }

    /** As safetensors calls it. */
    public DType stored() {
      return stored;
    }

    public int bytes() {
      return stored.bytes();
    }
  }

  /** A weight that its source holds in NF4 already, to be kept bit for bit. */
  interface QuantizedWeight {
    /** Of all its blocks. */
    NestedAbsmax absmax();

    /** Appends the packed codes of some blocks; less than 32 bytes of a short last block. */
    void readCodes(long firstBlock, int blocks, ByteBuffer to);

    /** Where it lies on the local disk, if it does. */
    default Optional<Located> located() {
      return Optional.empty();
    }

    /**
     * Bytes of a local file.
     *
     * @param codes packed, 32 bytes a block but for a short last one
     * @param absmax nested codes, a byte a block
     */
    record Located(FileRange codes, FileRange absmax) {}
  }
}
