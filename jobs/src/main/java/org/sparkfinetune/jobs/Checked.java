package org.sparkfinetune.jobs;

import java.util.List;

/** What {@code check} prints, and whether the user has to act. */
record Checked(List<String> lines, Outcome outcome) {
  enum Outcome {
    CAN_TRAIN,
    MUST_CHANGE
  }
}
