package org.sparkfinetune.engine.tensor;

import ai.djl.pytorch.engine.PtNDManager;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Owns the tensors made in it; closing it frees them. One scope a layer or a step. */
public final class Scope implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(Scope.class);

  private final PtNDManager manager;

  Scope(PtNDManager manager) {
    this.manager = manager;
  }

  PtNDManager manager() {
    return manager;
  }

  /** A scope that closes with this one at the latest. */
  public Scope child() {
    return new Scope((PtNDManager) manager.newSubManager());
  }

  /**
   * Instead of closing it where something may still read or write the tensors' memory: they stay
   * for as long as the process, beyond {@link Torch#close} too. A leak is better than a crash.
   *
   * @param reader what may still use it, as the log shall name it
   */
  public void abandon(String reader) {
    LOG.warn("Memory of tensors is not freed before this process ends: {}", reader);
    manager.getParentManager().detachInternal(manager.getName());
  }

  @Override
  public void close() {
    manager.close();
  }
}
