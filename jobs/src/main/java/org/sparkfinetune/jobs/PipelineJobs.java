package org.sparkfinetune.jobs;

import org.sparkfinetune.errors.Bug;

/** The commands' way into the pipeline. */
final class PipelineJobs implements Jobs {
  @Override
  public void prepare(Request request) {
    throw new Bug("prepare is not connected.");
  }

  @Override
  public void train(Request request) {
    throw new Bug("train is not connected.");
  }
}
