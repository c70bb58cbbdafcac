package org.sparkfinetune.engine.fsdp;

import java.util.Optional;
import org.sparkfinetune.engine.exchange.FileRange;

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
}
