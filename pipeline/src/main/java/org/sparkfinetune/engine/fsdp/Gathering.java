package org.sparkfinetune.engine.fsdp;

/** What becomes of weights that were gathered from other ranks, once they were used. */
public enum Gathering {
  /** They are let go, and gathered again for the next use. */
  EACH_USE,
  /** They stay until there is another version of them: frozen ones for good. */
  EACH_VERSION
}
