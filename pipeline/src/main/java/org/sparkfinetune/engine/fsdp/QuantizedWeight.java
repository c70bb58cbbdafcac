package org.sparkfinetune.engine.fsdp;

import java.nio.ByteBuffer;
import java.util.Optional;
import org.sparkfinetune.engine.exchange.FileRange;
import org.sparkfinetune.model.quant.NestedAbsmax;

/** A weight that its source holds in NF4 already, to be kept bit for bit. */
public interface QuantizedWeight {
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
