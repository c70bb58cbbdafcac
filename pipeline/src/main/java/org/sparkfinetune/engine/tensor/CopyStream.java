package org.sparkfinetune.engine.tensor;

/** Where copies to the device are queued, and what computing and host code wait for. */
sealed interface CopyStream extends AutoCloseable permits CopyStream.AtOnce, CudaStream {

  /** For memory that is filled, copied, read and filled again. */
  Slot slot();

  @Override
  void close();

  /** The order in which one slot's memory is used. */
  interface Slot {
    /** Host code waits until the last copy from the slot's host memory is done. */
    void awaitCopied();

    /** Queues a copy, behind what was computed with the slot's last content. */
    void copy(Tensor device, Tensor host);

    /** What is called from now on is computed behind the copies so far. */
    void arrive();

    /** The slot's content is read by what was called until now. */
    void read();
  }

  /** Copies while host code waits: nothing has to be put in order. */
  record AtOnce(HostMemory hostMemory) implements CopyStream {
    @Override
    public Slot slot() {
      return new Slot() {
        @Override
        public void awaitCopied() {}

        @Override
        public void copy(Tensor device, Tensor host) {
          hostMemory.copy(device, host);
        }

        @Override
        public void arrive() {}

        @Override
        public void read() {}
      };
    }

    @Override
    public void close() {}
  }
}
