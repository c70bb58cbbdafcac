package org.sparkfinetune.train;

import org.sparkfinetune.tensor.Scope;
import org.sparkfinetune.tensor.Tensor;

/** Where the inputs of layers wait until backward needs them. */
interface ActivationStore extends AutoCloseable {
  /** As long as the step lasts. Takes {@code x} over: it must not be used any more. */
  Stored keep(Tensor x);

  /** Everything kept so far is forgotten; to be called between steps. */
  void reset();

  @Override
  void close();

  /** One tensor that waits. */
  interface Stored extends AutoCloseable {
    /** The tensor as it was, until {@code scope} or this is closed. */
    Tensor open(Scope scope);

    @Override
    void close();
  }

  /** Stays in memory. */
  record InMemory(Tensor x) implements Stored {
    static final ActivationStore STORE =
        new ActivationStore() {
          @Override
          public Stored keep(Tensor x) {
            return new InMemory(x);
          }

          @Override
          public void reset() {}

          @Override
          public void close() {}
        };

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
