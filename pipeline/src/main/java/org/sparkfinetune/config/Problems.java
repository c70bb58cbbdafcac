package org.sparkfinetune.config;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;
import org.sparkfinetune.errors.UserError;

/** What is wrong with values that belong together, so that a user is told all of it at once. */
final class Problems {
  private final List<String> lines = new ArrayList<>();

  void add(String line) {
    lines.add(line);
  }

  void addIf(boolean wrong, Supplier<String> line) {
    if (wrong) {
      lines.add(line.get());
    }
  }

  /** The problems of {@code check} too, if it has any. */
  void addFrom(Runnable check) {
    try {
      check.run();
    } catch (UserError e) {
      lines.add(String.valueOf(e.getMessage()));
    }
  }

  /**
   * @throws UserError with all of them, one a line
   */
  void refuse() {
    if (!lines.isEmpty()) {
      throw new UserError(String.join("\n", lines));
    }
  }
}
