package org.sparkfinetune.sample;

public final class SampleMaker {
  public static final long SEED = 42;

  private SampleMaker() {}

  public static void write(java.nio.file.Path p) {}
}
