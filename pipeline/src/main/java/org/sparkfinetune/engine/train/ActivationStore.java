package org.sparkfinetune.engine.train;

import org.sparkfinetune.engine.tensor.Scope;
import org.sparkfinetune.engine.tensor.Tensor;

/** Where the inputs of layers wait until backward needs them. */
interface ActivationStore extends AutoCloseable {
  ActivationStore IN_MEMORY = InMemory::new;

  /** As long as the step lasts. Takes {@code x} over: it must not be used any more. */
  Stored keep(Tensor x);

  /** Everything kept so far is forgotten; to be called between steps. */
  default void reset() {}

  @Override
  default void close() {}

  /** One tensor that waits. */
  interface Stored extends AutoCloseable {
    /** The tensor as it was, until {@code scope} or this is closed. */
    Tensor open(Scope scope);

    @Override
    void close();
  }

  /** The tensor itself. */
  record InMemory(Tensor x) implements Stored {
    @Override
    public Tensor open(Scope scope) {
      return x;
    }

    @Override
    public void close() {
      x.close();
    }
  }
}
