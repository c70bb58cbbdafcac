package org.sparkfinetune.engine.metrics;

/**
 * How long something took and how much was done in it.
 *
 * @param samples rows, over all ranks
 * @param steps optimizer steps, or micro-batches of an evaluation
 */
public record Speed(double seconds, long samples, long steps) {

  public double samplesPerSecond() {
    return seconds > 0 ? samples / seconds : 0;
  }

  public double stepsPerSecond() {
    return seconds > 0 ? steps / seconds : 0;
  }
}
