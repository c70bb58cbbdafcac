package org.sparkfinetune.config;

/** A key as the user spelled it, and its value as written. */
record Given(String spelling, Raw value) {
  Place place() {
    return value.place();
  }
}
