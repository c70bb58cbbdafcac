package org.sparkfinetune.spark.prepare;

import java.io.Serializable;
import java.util.List;
import java.util.Map;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.sql.Row;
import org.sparkfinetune.spark.prepare.Selection.Stratum;

/**
 * What the reading pass counted, put together by a task of its own where it lies. The driver gets
 * sums: their size does not grow with tasks, nor with buckets times strata.
 */
final class CountedRows {
  private final Buckets buckets;
  private final JavaRDD<byte[]> counts;
  private final int partition;

  /** From {@link BucketCounts} to what is sent to the driver. */
  private interface Answer<T> extends Serializable {
    T of(BucketCounts counts);
  }

  private CountedRows(Buckets buckets, JavaRDD<byte[]> counts, int partition) {
    this.buckets = buckets;
    this.counts = counts;
    this.partition = partition;
  }

  /** What all tasks of the reading pass saw. */
  static ReadCounts read(JavaRDD<Row> sorted, Buckets buckets) {
    JavaRDD<byte[]> one =
        sorted.mapPartitions(
            rows -> {
              ReadCounts all = new ReadCounts();
              rows.forEachRemaining(
                  row -> {
                    if (ShuffledRow.kind(row) == ShuffledRow.Kind.READ_COUNTS) {
                      all.add(ReadCounts.decoded(ShuffledRow.body(row)));
                    }
                  });
              return List.of(all.encoded()).iterator();
            });
    return ReadCounts.decoded(only(one, buckets.count()));
  }

  /** All rows, as the reading pass counted them. */
  static CountedRows all(JavaRDD<Row> sorted, Buckets buckets) {
    return new CountedRows(
        buckets,
        sorted
            .filter(row -> ShuffledRow.kind(row) == ShuffledRow.Kind.BUCKET_COUNTS)
            .map(ShuffledRow::body),
        buckets.count());
  }

  /** The rows that are left when repeats are dropped, counted in a pass of its own. */
  static CountedRows withoutRepeats(JavaRDD<Row> sorted, Buckets buckets) {
    return new CountedRows(buckets, withoutRepeatsInEach(sorted, buckets).repartition(1), 0);
  }

  private static JavaRDD<byte[]> withoutRepeatsInEach(JavaRDD<Row> sorted, Buckets buckets) {
    return sorted.mapPartitionsWithIndex(
        (partition, rows) -> {
          BucketCounts counts = new BucketCounts(buckets.count());
          DuplicateFinder duplicates = new DuplicateFinder(DuplicateFinder.Policy.DROP);
          while (rows.hasNext()) {
            Row row = rows.next();
            ShuffledRow.stratumOf(row)
                .filter(stratum -> !duplicates.next(row).dropped())
                .ifPresent(stratum -> counts.add(stratum, partition, 1));
          }
          return List.of(counts.encoded()).iterator();
        },
        true);
  }

  Map<Stratum, Long> totals() {
    return ask(BucketCounts::totals);
  }

  Map<Stratum, Selection.Ends> ends(Map<Stratum, Selection.Share> shares) {
    return ask(counted -> counted.ends(shares));
  }

  private <T> T ask(Answer<T> question) {
    int count = buckets.count();
    return only(
        counts.mapPartitions(
            encoded -> {
              BucketCounts all = new BucketCounts(count);
              encoded.forEachRemaining(all::add);
              return List.of(question.of(all)).iterator();
            }),
        partition);
  }

  private static <T> T only(JavaRDD<T> rows, int partition) {
    return rows.collectPartitions(new int[] {partition})[0].get(0);
  }
}
