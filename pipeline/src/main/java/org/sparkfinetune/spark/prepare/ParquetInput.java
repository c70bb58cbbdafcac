package org.sparkfinetune.spark.prepare;

import static org.apache.spark.sql.functions.col;

import java.net.URI;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.apache.hadoop.fs.Path;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.execution.datasources.DataSource;
import org.sparkfinetune.errors.UserError;

/** Reads the Parquet files of the input with Spark's own reader. */
final class ParquetInput {
  private final SparkSession spark;

  ParquetInput(SparkSession spark) {
    this.spark = spark;
  }

  /** One data set for each key that names Parquet: their columns need not be the same. */
  List<Dataset<Row>> read(List<InputFile> files) {
    List<Dataset<Row>> read = new ArrayList<>();
    for (InputFile.Origin origin : InputFile.Origin.values()) {
      String[] uris =
          files.stream()
              .filter(file -> file.format() == InputFile.Format.PARQUET && file.origin() == origin)
              .map(InputFile::uri)
              .toArray(String[]::new);
      if (uris.length > 0) {
        read.add(read(uris));
      }
    }
    return read;
  }

  private Dataset<Row> read(String[] uris) {
    try {
      // Merging schemas makes a column that only some files have visible, and types that differ an
      // error; Spark would otherwise take one file's schema for all.
      // The names are those of files, globs among them are resolved.
      Dataset<Row> rows =
          spark
              .read()
              .option("mergeSchema", "true")
              .option(DataSource.GLOB_PATHS_KEY(), "false")
              .parquet(uris);
      return rows.select(col("*"), col("_metadata.file_path"), col("_metadata.row_index"));
    } catch (Exception e) {
      // AnalysisException and SparkException are checked in Scala and undeclared in Java.
      throw new UserError(
          "input: cannot read Parquet from %s%s: %s. Check that all files are whole and have the same column types."
              .formatted(
                  uris[0],
                  uris.length > 1 ? " and %s more".formatted(uris.length - 1) : "",
                  Failures.oneLine(e)),
          e);
    }
  }

  static Map<String, InputFile> byPath(List<InputFile> files) {
    return files.stream()
        .filter(file -> file.format() == InputFile.Format.PARQUET)
        .collect(
            Collectors.toMap(
                file -> normalised(new Path(file.uri()).toUri().toString()), file -> file));
  }

  /** One spelling for {@code file:/x}, {@code file:///x} and escaped characters. */
  static String normalised(String uri) {
    return new Path(URI.create(uri)).toString();
  }
}
