package org.sparkfinetune.tensor;

import ai.djl.pytorch.engine.PtNDManager;

/** Owns the tensors made in it; closing it frees them. One scope a layer or a step. */
public final class Scope implements AutoCloseable {
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

  @Override
  public void close() {
    manager.close();
  }
}
