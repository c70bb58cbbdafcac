package org.sparkfinetune.spark.prepare;

/** The two splits and what they are called in the output. */
enum SplitName {
  TRAIN("train"),
  TEST("test");

  private final String text;

  SplitName(String text) {
    this.text = text;
  }

  /** The Parquet folder. */
  String folder() {
    return text;
  }

  /** The file of JSON lines. */
  String jsonFile() {
    return text + "_dataset.json";
  }
}
