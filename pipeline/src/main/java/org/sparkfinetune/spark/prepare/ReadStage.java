package org.sparkfinetune.spark.prepare;

import static org.apache.spark.sql.functions.col;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.stream.Collectors;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.sparkfinetune.store.Store;

/** The reading pass and the one exchange: all rows of the input, in sorted buckets. */
final class ReadStage {
  /** Many small files are read by one task; each costs the driver as much as a large one. */
  private static final long BYTES_A_TASK = 32L << 20;

  private final SparkSession spark;
  private final JavaSparkContext context;
  private final Store store;
  private final List<InputFile> files;
  private final List<InputTable> tables;
  private final ReadTask.Plan plan;

  /**
   * @param spark a session of our own, since settings of it are changed
   * @param files those that are tables are left to {@code tables}
   */
  ReadStage(
      SparkSession spark, List<InputFile> files, List<InputTable> tables, ReadTask.Plan plan) {
    this.spark = spark;
    this.context = JavaSparkContext.fromSparkContext(spark.sparkContext());
    this.store = new Store(spark.sparkContext().hadoopConfiguration());
    this.files = files;
    this.tables = tables;
    this.plan = plan;
    // Adaptive execution would merge small partitions, and a partition here is a bucket.
    spark.conf().set("spark.sql.adaptive.enabled", "false");
    // Columns of Parquet that differ in case alone are two.
    spark.conf().set("spark.sql.caseSensitive", "true");
  }

  /**
   * The sorted buckets, and behind them the rows of counts; computed once, however often it is
   * read.
   *
   * @param splitBytes bytes of a text split; chosen by the cores of the cluster if absent
   */
  JavaRDD<Row> rows(OptionalLong splitBytes) {
    List<JavaRDD<Row>> parts = new ArrayList<>();
    List<TextSplit> splits =
        splits(
            files,
            splitBytes.orElse(TextSplit.bytesEach(files, context.defaultParallelism())),
            store);
    if (!splits.isEmpty()) {
      parts.add(text(splits));
    }
    for (int source = 0; source < plan.sources().size(); source++) {
      for (ParquetInput.Part part :
          new ParquetInput(spark, plan.columns(source)).read(ofSource(source))) {
        parts.add(parquet(part));
      }
    }
    tables.forEach(table -> parts.add(table.read(plan)));
    return sorted(parts.stream().reduce(JavaRDD::union).orElseThrow());
  }

  private List<InputFile> ofSource(int source) {
    return files.stream().filter(file -> file.source() == source).toList();
  }

  private JavaRDD<Row> parquet(ParquetInput.Part part) {
    ReadTask.Plan task = plan;
    List<String> names = part.names();
    Map<String, InputFile> byPath = part.filesByPath();
    return part.rows()
        .javaRDD()
        .mapPartitions(
            rows ->
                new ReadTask(new ParquetInput.Rows(rows, names, byPath), new ReadCounts(), task));
  }

  private JavaRDD<Row> text(List<TextSplit> splits) {
    Store inputs = store;
    ReadTask.Plan task = plan;
    long bytes = splits.stream().mapToLong(split -> split.end() - split.start()).sum();
    long wanted = Math.max(bytes / BYTES_A_TASK, Math.max(64, 4 * context.defaultParallelism()));
    int tasks = (int) Math.min(splits.size(), wanted);
    return context
        .parallelize(splits, tasks)
        .mapPartitions(
            part -> {
              ReadCounts counts = new ReadCounts();
              return new ReadTask(new TextInput(part, inputs, counts), counts, task);
            });
  }

  /**
   * Large JSON files are looked into first: an array, or objects over many lines, cannot be split.
   */
  static List<TextSplit> splits(List<InputFile> files, long bytesEach, Store store) {
    List<TextSplit> splits = new ArrayList<>();
    TextSplit.of(files, bytesEach).stream()
        .collect(Collectors.groupingBy(TextSplit::file, LinkedHashMap::new, Collectors.toList()))
        .forEach(
            (file, own) ->
                splits.addAll(
                    own.size() > 1 && !TextInput.hasLines(file, store)
                        ? List.of(TextSplit.whole(file))
                        : own));
    return splits;
  }

  private JavaRDD<Row> sorted(JavaRDD<Row> rows) {
    return spark
        .createDataFrame(rows, ShuffledRow.SCHEMA)
        .repartition(plan.buckets().partitions(), col(ShuffledRow.SLOT))
        .sortWithinPartitions(
            ShuffledRow.ORDER,
            ShuffledRow.GROUP,
            ShuffledRow.KIND,
            ShuffledRow.BODY,
            ShuffledRow.SOURCE,
            ShuffledRow.STRATUM,
            ShuffledRow.FILE,
            ShuffledRow.SPLIT,
            ShuffledRow.NUMBER)
        .javaRDD();
  }
}
