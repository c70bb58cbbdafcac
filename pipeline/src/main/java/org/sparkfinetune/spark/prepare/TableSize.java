package org.sparkfinetune.spark.prepare;

import java.math.BigInteger;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.sparkfinetune.spark.cluster.ScalaBridge;

/**
 * How many bytes stand behind a table or query, by Spark's statistics and without running it. It
 * decides how work is divided, and no result depends on it: a wrong guess gives files of another
 * size. Only the input and the session's settings decide, never the cluster.
 *
 * <p>What the tables below a query hold is summed up. Spark's own estimate for the whole query
 * multiplies the sizes of joined tables.
 */
final class TableSize {
  /** Dead-letter rows of each partition still get positions of their own. */
  private static final long LEAST = 1L << 20;

  private static final long MOST = 1L << 50;

  /** For databases and other sources that Spark knows nothing about. */
  private static final long UNKNOWN = 256L << 20;

  /** What Spark says unless {@code spark.sql.defaultSizeInBytes} is set. */
  private static final BigInteger NOBODY_KNOWS = BigInteger.valueOf(Long.MAX_VALUE);

  private TableSize() {}

  static long of(Dataset<Row> rows) {
    BigInteger sum =
        ScalaBridge.tableBytes(rows).stream()
            .map(bytes -> bytes.compareTo(NOBODY_KNOWS) < 0 ? bytes : BigInteger.valueOf(UNKNOWN))
            .reduce(BigInteger.ZERO, BigInteger::add);
    return sum.max(BigInteger.valueOf(LEAST)).min(BigInteger.valueOf(MOST)).longValueExact();
  }
}
