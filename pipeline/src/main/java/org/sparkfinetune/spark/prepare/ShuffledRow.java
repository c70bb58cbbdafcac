package org.sparkfinetune.spark.prepare;

import java.util.Optional;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;
import org.sparkfinetune.spark.prepare.Selection.Stratum;

/**
 * The columns that travel through the one exchange. Sorted by {@link #ORDER}, {@link #GROUP},
 * {@link #KIND} and {@link #BODY}, equal rows are the same row, so their order cannot show;
 * training rows stand before their repeats of a ready test split.
 */
final class ShuffledRow {
  static final String SLOT = "slot";
  static final String ORDER = "order";
  static final String GROUP = "group";
  static final String KIND = "kind";
  static final String BODY = "body";
  static final String STRATUM = "stratum";

  static final StructType SCHEMA =
      new StructType()
          .add(SLOT, DataTypes.IntegerType, false)
          .add(ORDER, DataTypes.LongType, false)
          .add(GROUP, DataTypes.LongType, false)
          .add(KIND, DataTypes.IntegerType, false)
          .add(BODY, DataTypes.BinaryType, false)
          .add(STRATUM, DataTypes.StringType, false);

  /** What a row is. The ordinal is the column's value. */
  enum Kind {
    SAMPLE,
    TEST_SAMPLE,
    DEAD_LETTER,
    READ_COUNTS,
    BUCKET_COUNTS
  }

  private static final Kind[] KINDS = Kind.values();

  private ShuffledRow() {}

  @SuppressWarnings("EnumOrdinal") // An int sorts without a comparison of texts.
  static Row of(int slot, long order, long group, Kind kind, byte[] body, String stratum) {
    return RowFactory.create(slot, order, group, kind.ordinal(), body, stratum);
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
      case SAMPLE -> Optional.of(new Stratum(InputFile.Origin.INPUT, row.getString(5)));
      case TEST_SAMPLE -> Optional.of(Stratum.READY_TEST);
      case DEAD_LETTER, READ_COUNTS, BUCKET_COUNTS -> Optional.empty();
    };
  }
}
