package org.sparkfinetune.spark.prepare;

import static org.apache.spark.sql.functions.lit;

import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.apache.hadoop.fs.Path;
import org.apache.spark.sql.AnalysisException;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.DataFrameWriter;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SaveMode;
import org.apache.spark.sql.SparkSession;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.config.PrepareConfig;
import org.sparkfinetune.config.PrepareConfig.OutputFormat;
import org.sparkfinetune.config.SparkSource;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.spark.prepare.Selection.Split;

/**
 * The rows of both splits as one table of Spark, beside the folder that training reads. It is
 * written by Spark's own writer from the finished folder: what a table format promises about
 * readers and failed writers is its own business, and the folder is whole in any case.
 */
final class TableOutput {
  private static final Logger LOG = LoggerFactory.getLogger(TableOutput.class);
  private static final String SPLIT = "split";

  private final SparkSession spark;
  private final String name;
  private final SaveMode mode;

  private TableOutput(SparkSession spark, String name, SaveMode mode) {
    this.spark = spark;
    this.name = name;
    this.mode = mode;
  }

  /**
   * The table that is wanted, if any; it is not made yet.
   *
   * @param spark the session whose catalogs are meant
   * @throws UserError if it may not be written
   */
  static Optional<TableOutput> open(SparkSession spark, PrepareConfig config) {
    return config.output().table().map(name -> open(spark, config, name));
  }

  private static TableOutput open(SparkSession spark, PrepareConfig config, String name) {
    String text = SparkSource.TABLE + name;
    if (!config.formats().contains(OutputFormat.PARQUET)) {
      throw new UserError(
          "output: %s is made from Parquet, but formats is json. Add parquet to formats."
              .formatted(text));
    }
    boolean isInput =
        Stream.concat(
                config.read().stream().flatMap(source -> source.input().stream()),
                config.testInput().stream().flatMap(List::stream))
            .anyMatch(text::equals);
    if (isInput) {
      throw new UserError("output: %s is the input too. Name another table.".formatted(text));
    }
    if (exists(spark, text, name) && !config.overwrite()) {
      throw new UserError(
          "output: %s is there already. Name another table, or set overwrite: true to replace it."
              .formatted(text));
    }
    SaveMode mode = config.overwrite() ? SaveMode.Overwrite : SaveMode.ErrorIfExists;
    return new TableOutput(spark, name, mode);
  }

  private static boolean exists(SparkSession spark, String text, String name) {
    try {
      return spark.catalog().tableExists(name);
    } catch (Exception e) {
      // Also what Scala throws unchecked: no such catalog, or no name at all.
      throw new UserError(
          "output: %s cannot be a table: %s. Write %scatalog.database.name."
              .formatted(text, TableInput.reason(e), SparkSource.TABLE),
          e);
    }
  }

  /**
   * Writes the table.
   *
   * @param folder that of the finished data set
   */
  void write(Path folder) {
    try {
      Dataset<Row> rows = split(folder, Split.TRAIN).unionByName(split(folder, Split.TEST));
      if (!spark.catalog().tableExists(name) || !isOverwritten(rows)) {
        DataFrameWriter<Row> writer = rows.write().mode(mode);
        provider().ifPresent(writer::format);
        writer.saveAsTable(name);
      }
      LOG.info("prepare: the rows are in {}{} too", SparkSource.TABLE, name);
    } catch (Exception e) {
      throw new RunFailure(
          "output: %s is whole, but %s%s could not be written: %s. Mend that, and write it from the Parquet files there, or prepare again with overwrite: true."
              .formatted(folder, SparkSource.TABLE, name, TableInput.reason(e)),
          e);
    }
  }

  /**
   * Puts the rows in the place of a table's rows, so that it keeps its properties and its history.
   * Delta alone knows the option, and takes other columns with it.
   *
   * @return false for a table of Spark's own catalog, or one that keeps its columns and has others
   */
  private boolean isOverwritten(Dataset<Row> rows) throws Exception {
    try {
      rows.writeTo(name).option("overwriteSchema", "true").overwrite(lit(true));
      return true;
    } catch (Exception e) {
      if (e instanceof AnalysisException) {
        return false;
      }
      throw e;
    }
  }

  /** That of a table that is there: it keeps its format. Another has what Spark's settings say. */
  private Optional<String> provider() {
    return spark.catalog().tableExists(name)
        ? spark
            .sql("DESCRIBE TABLE EXTENDED " + name)
            .where("col_name = 'Provider'")
            .select("data_type")
            .collectAsList()
            .stream()
            .map(row -> row.getString(0))
            .findFirst()
        : Optional.empty();
  }

  /** {@code id}, {@code split}, and the other columns. */
  private Dataset<Row> split(Path folder, Split split) {
    Dataset<Row> rows = spark.read().parquet(new Path(folder, split.folder()).toString());
    Column[] columns =
        Stream.concat(
                Stream.of(rows.col("id"), lit(split.folder()).as(SPLIT)),
                Stream.of(rows.columns()).filter(column -> !column.equals("id")).map(rows::col))
            .toArray(Column[]::new);
    return rows.select(columns);
  }
}
