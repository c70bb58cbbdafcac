package org.sparkfinetune.data.tokenize;

import java.util.Arrays;
import java.util.List;
import org.sparkfinetune.data.tokenize.PackedRows.PackedRow;

/** Packed rows to be compared: AssertJ takes seconds for arrays in records. */
public final class PackedRowTexts {
  private PackedRowTexts() {}

  public static List<String> of(List<PackedRow> rows) {
    return rows.stream().map(PackedRowTexts::of).toList();
  }

  private static String of(PackedRow row) {
    return "ids %s labels %s positions %s segments %s"
        .formatted(
            Arrays.toString(row.inputIds()),
            Arrays.toString(row.labels()),
            Arrays.toString(row.positionIds()),
            Arrays.toString(row.segmentIds()));
  }
}
