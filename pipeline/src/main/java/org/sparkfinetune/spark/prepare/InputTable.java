package org.sparkfinetune.spark.prepare;

import static org.apache.spark.sql.functions.col;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Iterator;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.jspecify.annotations.Nullable;
import org.sparkfinetune.errors.Bug;
import org.sparkfinetune.errors.UserError;

/** A table, query or path that Spark reads, with all its columns. */
record InputTable(InputFile file, Dataset<Row> rows) {
  /**
   * Its rows through the reading pass.
   *
   * @throws UserError if a needed column is there twice
   */
  JavaRDD<Row> read(ReadTask.Plan plan) {
    Set<String> needed = plan.columns(file.source());
    List<String> all = List.of(rows.schema().fieldNames());
    List<Integer> chosen =
        IntStream.range(0, all.size()).filter(i -> needed.contains(all.get(i))).boxed().toList();
    List<String> columns = chosen.stream().map(all::get).toList();
    if (columns.size() > Set.copyOf(columns).size()) {
      throw new UserError(
          "input: %s has the columns %s, one of them twice. Give each a name of its own (AS …)."
              .formatted(file.uri(), String.join(", ", columns)));
    }
    List<String> names = Set.copyOf(columns).containsAll(needed) ? columns : all;
    JavaRDD<Row> values = byPlace(chosen).toDF(columns.toArray(String[]::new)).javaRDD();
    int partitions = values.getNumPartitions();
    InputFile of = file;
    return values.mapPartitionsWithIndex(
        (partition, part) -> {
          ReadCounts counts = new ReadCounts();
          long start = of.length() / partitions * partition;
          return new ReadTask(
              new Rows(part, of, new Partition(partition, start), names, counts), counts, plan);
        },
        false);
  }

  /** Columns by their places: a name can be ambiguous, or no identifier. */
  private Dataset<Row> byPlace(List<Integer> chosen) {
    String[] places =
        IntStream.range(0, rows.schema().size()).mapToObj(i -> "c" + i).toArray(String[]::new);
    return rows.toDF(places).select(chosen.stream().map(i -> col("c" + i)).toArray(Column[]::new));
  }

  /**
   * A partition of a table.
   *
   * @param start where it would begin if the table were a file
   */
  private record Partition(int index, long start) {}

  /** The rows of one task. */
  private static final class Rows implements InputRows {
    private final Iterator<Row> rows;
    private final InputFile file;
    private final Partition partition;
    private final List<String> names;
    private final ReadCounts counts;
    private @Nullable Row row;
    private long number;

    Rows(
        Iterator<Row> rows,
        InputFile file,
        Partition partition,
        List<String> names,
        ReadCounts counts) {
      this.rows = rows;
      this.file = file;
      this.partition = partition;
      this.names = names;
      this.counts = counts;
    }

    @Override
    public boolean next() {
      if (rows.hasNext()) {
        row = rows.next();
        number++;
        return true;
      }
      counts.endOfSplit(new TextSplit.Id(file.index(), partition.index()), number, 0);
      return false;
    }

    @Override
    public Position position() {
      return new Position(file.index(), partition.index(), number);
    }

    @Override
    public long splitStart() {
      return partition.start();
    }

    @Override
    public InputFile file() {
      return file;
    }

    @Override
    public ObjectNode tree() {
      if (row == null) {
        throw new Bug("A row was asked for before the first.");
      }
      return RowTree.of(row, row.size(), names);
    }

    @Override
    public String excerpt() {
      return Utf8.excerpt(tree().toString());
    }
  }
}
