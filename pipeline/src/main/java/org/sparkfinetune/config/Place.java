package org.sparkfinetune.config;

import java.util.OptionalInt;

/** Where a value was written: a file and a line counted from 1, or the command line. */
record Place(String source, OptionalInt line) {

  static final Place COMMAND_LINE = new Place("command line", OptionalInt.empty());

  static Place of(String file, int line) {
    return new Place(file, OptionalInt.of(line));
  }

  @Override
  public String toString() {
    return line.isPresent() ? source + ":" + line.getAsInt() : source;
  }
}
