package org.sparkfinetune.spark.prepare;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** The sentences of the report: what a user should know and would not look for. */
final class ReportNotes {
  private static final long LARGE = 64L << 20;

  private ReportNotes() {}

  static List<String> of(
      List<InputFile> files, List<String> sources, long testRows, long testRowsInTrain) {
    List<String> notes = new ArrayList<>(sources);
    for (InputFile file : files) {
      boolean packed = file.compression() != InputFile.Compression.NONE;
      if (packed || (file.format() == InputFile.Format.CSV && file.length() > LARGE)) {
        notes.add(
            "%s was read by one core alone: %s cannot be split."
                .formatted(
                    file.uri(),
                    packed
                        ? file.compression().name().toLowerCase(Locale.ROOT)
                        : "CSV, whose quoted fields may hold line ends,"));
      }
    }
    if (testRowsInTrain > 0) {
      notes.add(
          "%s test row(s) have the text of a training row. deduplicate: true would drop them."
              .formatted(testRowsInTrain));
    }
    if (testRows == 0) {
      notes.add("The test split is empty: nothing to evaluate on.");
    }
    return List.copyOf(notes);
  }
}
