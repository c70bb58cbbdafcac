package org.sparkfinetune.spark.cluster;

import java.util.OptionalLong;

/** What a rank is doing at the moment, kept for the message should it fail. */
public final class RankProgress {
  /** Phase and step together, so that a reader never sees a mixture. */
  record Place(String phase, OptionalLong step) {
    String text() {
      return step.isPresent() ? "%s of step %s".formatted(phase, step.getAsLong()) : phase;
    }
  }

  private volatile Place place = new Place("rendezvous", OptionalLong.empty());

  /** Something outside the steps begins: loading, the final save. */
  public void enter(String phase) {
    place = new Place(phase, OptionalLong.empty());
  }

  /** A part of a step begins. */
  public void enter(String phase, long step) {
    place = new Place(phase, OptionalLong.of(step));
  }

  public Place place() {
    return place;
  }
}
