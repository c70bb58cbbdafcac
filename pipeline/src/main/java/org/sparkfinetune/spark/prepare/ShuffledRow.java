package org.sparkfinetune.spark.prepare;

import java.util.Optional;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;
import org.sparkfinetune.spark.prepare.Selection.Stratum;

/**
 * The columns that travel through the one exchange. Sorted by all of them but the first, rows have
 * one order wherever they were read: equal conversations by source and place, training rows before
 * their repeats of a ready test split.
 */
final class ShuffledRow {
  static final String SLOT = "slot";
  static final String ORDER = "order";
  static final String GROUP = "group";
  static final String KIND = "kind";
  static final String BODY = "body";
  static final String SOURCE = "source";
  static final String STRATUM = "stratum";
  static final String FILE = "file";
  static final String SPLIT = "split";
  static final String NUMBER = "number";

  static final StructType SCHEMA =
      new StructType()
          .add(SLOT, DataTypes.IntegerType, false)
          .add(ORDER, DataTypes.LongType, false)
          .add(GROUP, DataTypes.LongType, false)
          .add(KIND, DataTypes.IntegerType, false)
          .add(BODY, DataTypes.BinaryType, false)
          .add(SOURCE, DataTypes.StringType, false)
          .add(STRATUM, DataTypes.StringType, false)
          .add(FILE, DataTypes.IntegerType, false)
          .add(SPLIT, DataTypes.IntegerType, false)
          .add(NUMBER, DataTypes.LongType, false);

  /** What a row is. The ordinal is the column's value. */
  enum Kind {
    SAMPLE,
    TEST_SAMPLE,
    DEAD_LETTER,
    READ_COUNTS,
    BUCKET_COUNTS
  }

  private static final Kind[] KINDS = Kind.values();
  private static final InputRows.Position NOWHERE = new InputRows.Position(0, 0, 0);

  private ShuffledRow() {}

  /** A sample, with its place in the input. */
  @SuppressWarnings("EnumOrdinal") // An int sorts without a comparison of texts.
  static Row of(
      int slot,
      long order,
      long group,
      Kind kind,
      byte[] body,
      Stratum stratum,
      InputRows.Position position) {
    return RowFactory.create(
        slot,
        order,
        group,
        kind.ordinal(),
        body,
        stratum.source(),
        stratum.value(),
        position.file(),
        position.split(),
        position.number());
  }

  /** A row that is no sample: its body says all. */
  static Row of(int slot, long order, long group, Kind kind, byte[] body) {
    return of(slot, order, group, kind, body, Stratum.READY_TEST, NOWHERE);
  }

  /** Where a sample is in the input. */
  static InputRows.Position position(Row row) {
    return new InputRows.Position(row.getInt(7), row.getInt(8), row.getLong(9));
  }

  static long order(Row row) {
    return row.getLong(1);
  }

  static long group(Row row) {
    return row.getLong(2);
  }

  static byte[] body(Row row) {
    return row.getAs(4);
  }

  static boolean isDeadLetter(Row row) {
    return kind(row) == Kind.DEAD_LETTER;
  }

  static Kind kind(Row row) {
    return KINDS[row.getInt(3)];
  }

  /** What a sample is split among; empty for a row that is no sample. */
  static Optional<Stratum> stratumOf(Row row) {
    return switch (kind(row)) {
      case SAMPLE ->
          Optional.of(new Stratum(InputFile.Origin.INPUT, row.getString(5), row.getString(6)));
      case TEST_SAMPLE -> Optional.of(Stratum.READY_TEST);
      case DEAD_LETTER, READ_COUNTS, BUCKET_COUNTS -> Optional.empty();
    };
  }
}
