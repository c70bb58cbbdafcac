package org.sparkfinetune.prepare;

import java.io.Serializable;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.spark.api.java.function.Function2;
import org.apache.spark.sql.Row;

/** Counts what is left of a bucket when repeats are dropped; only then is it needed. */
final class CountTask implements Function2<Integer, Iterator<Row>, Iterator<CountTask.Result>> {
  private static final long serialVersionUID = 1L;

  /** Rows of each stratum. */
  record Result(int bucket, Map<Stratum, Long> rows) implements Serializable {}

  private final Buckets buckets;

  CountTask(Buckets buckets) {
    this.buckets = buckets;
  }

  @Override
  public Iterator<Result> call(Integer partition, Iterator<Row> rows) {
    if (buckets.isTally(partition)) {
      return List.<Result>of().iterator();
    }
    Map<Stratum, Long> counts = new TreeMap<>();
    Repeats repeats = new Repeats(Repeats.Policy.DROP);
    while (rows.hasNext()) {
      Row row = rows.next();
      ShuffledRow.stratumOf(row)
          .filter(stratum -> !repeats.next(row).dropped())
          .ifPresent(stratum -> counts.merge(stratum, 1L, Long::sum));
    }
    return List.of(new Result(partition, counts)).iterator();
  }
}
