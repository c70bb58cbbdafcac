package org.sparkfinetune.spark.prepare;

import java.util.Iterator;
import java.util.List;
import org.apache.spark.api.java.function.Function2;
import org.apache.spark.sql.Row;

/** Counts what is left of a bucket when repeats are dropped; only then is it needed. */
final class CountTask implements Function2<Integer, Iterator<Row>, Iterator<byte[]>> {
  private static final long serialVersionUID = 1L;

  private final Buckets buckets;

  CountTask(Buckets buckets) {
    this.buckets = buckets;
  }

  @Override
  public Iterator<byte[]> call(Integer partition, Iterator<Row> rows) {
    if (buckets.isTally(partition)) {
      return List.<byte[]>of().iterator();
    }
    BucketCounts counts = new BucketCounts(buckets.count());
    Repeats repeats = new Repeats(Repeats.Policy.DROP);
    while (rows.hasNext()) {
      Row row = rows.next();
      ShuffledRow.stratumOf(row)
          .filter(stratum -> !repeats.next(row).dropped())
          .ifPresent(stratum -> counts.add(stratum, partition, 1));
    }
    return List.of(counts.encoded()).iterator();
  }
}
