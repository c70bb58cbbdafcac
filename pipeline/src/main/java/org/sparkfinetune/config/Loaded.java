package org.sparkfinetune.config;

import java.util.List;

/**
 * A configuration as it was read.
 *
 * @param notes one line for each accepted key that means nothing or little here; for the user
 * @param yaml all keys with their resolved values, which read again give {@code config}
 */
public record Loaded<C>(C config, List<String> notes, String yaml) {
  public Loaded {
    notes = List.copyOf(notes);
  }
}
