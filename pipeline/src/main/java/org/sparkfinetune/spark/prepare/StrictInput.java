package org.sparkfinetune.spark.prepare;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.Serializable;
import java.io.UncheckedIOException;
import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.jspecify.annotations.Nullable;
import org.sparkfinetune.config.CsvFormat;
import org.sparkfinetune.data.conversation.RejectedRow;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.store.Store;

/**
 * The text files of one input for a command that wants a DataFrame: JSON or CSV, packed or not,
 * read as strictly as by {@code prepare}. Spark's own reader drops what is no object, and turns
 * numbers into texts where a column holds both.
 */
public final class StrictInput {
  /** What a command wants of a row, besides that it is an object of columns. */
  public interface RowCheck extends Serializable {
    void check(ObjectNode row) throws RejectedRow;
  }

  private final SparkSession spark;
  private final JavaSparkContext context;
  private final Store store;
  private final List<InputFile> files;

  /**
   * @param path a file, folder or glob
   * @throws UserError if there is no such file, or files are of two kinds
   */
  public StrictInput(SparkSession spark, String path, CsvFormat csv) {
    this.spark = spark;
    this.context = JavaSparkContext.fromSparkContext(spark.sparkContext());
    this.store = new Store(spark.sparkContext().hadoopConfiguration());
    this.files = new InputFiles(store).resolve("input", path, csv);
    long parquet = files.stream().filter(StrictInput::isParquet).count();
    if (parquet > 0 && parquet < files.size()) {
      throw new UserError(
          "input: %s holds Parquet (%s of %s files) and text. Name files of one kind, by a glob."
              .formatted(path, parquet, files.size()));
    }
  }

  /** Whether all files are text; Parquet has types, and Spark's reader keeps to them. */
  public boolean isText() {
    return files.stream().allMatch(file -> file.format().isText());
  }

  private static boolean isParquet(InputFile file) {
    return file.format() == InputFile.Format.PARQUET;
  }

  /** Lazy, with the schema that Spark infers. */
  public Dataset<Row> rows() {
    Store inputs = store;
    JavaRDD<String> json =
        splits()
            .mapPartitions(splits -> new Objects(new TextInput(splits, inputs, new ReadCounts())));
    return spark.read().json(spark.createDataset(json.rdd(), Encoders.STRING()));
  }

  /**
   * Reads all rows once.
   *
   * @throws UserError with file, row and reason if any row is rejected, or a file is broken
   */
  public void check(RowCheck wanted) {
    Store inputs = store;
    ReadCounts counts =
        ReadCounts.decoded(
            splits()
                .mapPartitions(
                    splits -> {
                      ReadCounts own = new ReadCounts();
                      count(new TextInput(splits, inputs, own), own, wanted);
                      return List.of(own.encoded()).iterator();
                    })
                .reduce(
                    (one, other) -> {
                      ReadCounts both = ReadCounts.decoded(one);
                      both.add(ReadCounts.decoded(other));
                      return both.encoded();
                    }));
    ReadCounts.Check check = new ReadCounts.Check(files, counts);
    check.checkReadable();
    if (counts.rejectedRows() > 0) {
      throw new UserError(
          "input: %s of %s rows cannot be taken. Mend them or leave them out:\n%s"
              .formatted(counts.rejectedRows(), counts.rows(), check.reasons()));
    }
  }

  private JavaRDD<TextSplit> splits() {
    long bytes = TextSplit.bytesEach(files, context.defaultParallelism());
    List<TextSplit> splits = ReadStage.splits(files, bytes, store);
    return context.parallelize(splits, Math.min(splits.size(), 4 * context.defaultParallelism()));
  }

  private static void count(InputRows rows, ReadCounts counts, RowCheck wanted) throws IOException {
    while (rows.next()) {
      counts.row(rows.position().file());
      try {
        wanted.check(rows.tree());
      } catch (RejectedRow e) {
        counts.rejection(
            new DeadLetterRow(rows.position(), e.reason(), e.detail(), rows.excerpt()));
      }
    }
  }

  /** Rows as JSON texts. */
  private static final class Objects implements Iterator<String> {
    private final InputRows rows;
    private @Nullable ObjectNode next;

    Objects(InputRows rows) {
      this.rows = rows;
    }

    @Override
    public boolean hasNext() {
      try {
        if (next == null && rows.next()) {
          next = rows.tree();
        }
        return next != null;
      } catch (RejectedRow e) {
        throw new UserError("input: a row cannot be taken: %s".formatted(e.detail()), e);
      } catch (IOException e) {
        throw new UncheckedIOException("reading the input failed", e);
      }
    }

    @Override
    public String next() {
      if (!hasNext() || next == null) {
        throw new NoSuchElementException();
      }
      String json = next.toString();
      next = null;
      return json;
    }
  }
}
