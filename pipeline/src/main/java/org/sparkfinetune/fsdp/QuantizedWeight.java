package org.sparkfinetune.fsdp;

import java.nio.ByteBuffer;
import org.sparkfinetune.quant.NestedAbsmax;

/** A weight that its source holds in NF4 already, to be kept bit for bit. */
public interface QuantizedWeight {
  /** Of all its blocks. */
  NestedAbsmax absmax();

  /** Appends the packed codes of some blocks; less than 32 bytes of a short last block. */
  void readCodes(long firstBlock, int blocks, ByteBuffer to);
}
