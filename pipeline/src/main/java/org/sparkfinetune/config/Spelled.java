package org.sparkfinetune.config;

import java.util.Locale;

/** An alternative with the word by which YAML files name it. */
public interface Spelled {

  /** The constant's name, as every enum has it. */
  String name();

  /** The word in YAML files, messages and reports. */
  default String text() {
    return name().toLowerCase(Locale.ROOT);
  }
}
