package org.sparkfinetune.spark.dataset;

import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.expr;
import static org.apache.spark.sql.functions.get_json_object;
import static org.apache.spark.sql.functions.lit;
import static org.apache.spark.sql.functions.to_json;
import static org.apache.spark.sql.functions.trim;

import java.io.FileNotFoundException;
import java.io.IOException;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.function.Supplier;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.DataFrameReader;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.execution.datasources.DataSource;
import org.apache.spark.sql.types.ArrayType;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.store.Store;

/**
 * The files of one split of a prepared data set, in the order of their names.
 *
 * @param sources that were mixed; empty where nothing was
 * @param only the source whose conversations are meant; empty for all
 * @param columns of the files, where they were asked for them already
 */
public record DatasetSplit(
    String name,
    DatasetLayout layout,
    List<FileStatus> files,
    List<String> sources,
    Optional<String> only,
    Optional<StructType> columns) {
  private static final List<String> WHOLE_NUMBERS = List.of("tinyint", "smallint", "bigint");

  /** The split that evaluation takes. */
  public static final String TEST = "test";

  private DatasetSplit(
      String name, DatasetLayout layout, List<FileStatus> files, List<String> sources) {
    this(name, layout, files, sources, Optional.empty(), Optional.empty());
  }

  /**
   * @throws UserError if the folder cannot be read
   */
  public static Optional<DatasetSplit> find(Path dataset, String name, Store store) {
    try {
      FileSystem files = store.fileSystem(dataset);
      Optional<DatasetManifest> manifest = DatasetManifest.find(store, dataset);
      List<String> sources = manifest.map(DatasetManifest::sources).orElse(List.of());
      Optional<DatasetSplit> split = inFolder(files, dataset, name, sources);
      manifest.ifPresent(written -> check(written, dataset, name, split));
      return split;
    } catch (IOException | RunFailure e) {
      throw new UserError(
          "dataset_path: '%s' cannot be read: %s".formatted(dataset, e.getMessage()), e);
    }
  }

  private static Optional<DatasetSplit> inFolder(
      FileSystem files, Path dataset, String name, List<String> sources) throws IOException {
    List<FileStatus> parquet = parquetFiles(files, new Path(dataset, name));
    if (!parquet.isEmpty()) {
      return Optional.of(new DatasetSplit(name, DatasetLayout.PARQUET, parquet, sources));
    }
    Path json = new Path(dataset, name + "_dataset.json");
    return files.exists(json)
        ? Optional.of(
            new DatasetSplit(
                name, DatasetLayout.JSON_LINES, List.of(files.getFileStatus(json)), sources))
        : Optional.empty();
  }

  private static void check(
      DatasetManifest manifest, Path dataset, String name, Optional<DatasetSplit> found) {
    List<FileStatus> files = found.map(DatasetSplit::files).orElse(List.of());
    String parquet = name + "/";
    String json = name + "_dataset.json";
    if (found.isEmpty()) {
      manifest.check(dataset, parquet, files);
      manifest.check(dataset, json, files);
      return;
    }
    switch (found.get().layout()) {
      case PARQUET -> manifest.check(dataset, parquet, files);
      case JSON_LINES -> manifest.check(dataset, json, files);
    }
  }

  /**
   * The split to train on.
   *
   * @throws UserError if there is none
   */
  public static DatasetSplit train(Path dataset, Store store) {
    return find(dataset, "train", store)
        .orElseThrow(
            () ->
                new UserError(
                    "dataset_path: there is neither train/*.parquet nor train_dataset.json in '%s'. Name the folder that prepare wrote."
                        .formatted(dataset)));
  }

  private static List<FileStatus> parquetFiles(FileSystem files, Path folder) throws IOException {
    try {
      return Arrays.stream(files.listStatus(folder))
          .filter(FileStatus::isFile)
          .filter(file -> file.getPath().getName().endsWith(".parquet"))
          .filter(file -> !file.getPath().getName().startsWith("_"))
          .filter(file -> !file.getPath().getName().startsWith("."))
          .sorted(Comparator.comparing(file -> file.getPath().getName()))
          .toList();
    } catch (FileNotFoundException none) {
      return List.of();
    }
  }

  /**
   * Compares the files with those that were found.
   *
   * @throws UserError if one was replaced, deleted or cannot be reached
   */
  public void checkUnchanged(Store store) {
    for (FileStatus found : files) {
      Path path = found.getPath();
      try {
        FileStatus now = store.fileSystem(path).getFileStatus(path);
        if (now.getLen() != found.getLen()
            || now.getModificationTime() != found.getModificationTime()) {
          throw new FileNotFoundException("it has other bytes now");
        }
      } catch (IOException e) {
        throw new UserError(
            "dataset_path: '%s' was replaced while its rows were packed (%s). Give the same command again."
                .formatted(path, e.getMessage()),
            e);
      }
    }
  }

  /** What is wrong with a split that has no conversation. */
  public UserError empty(String dataset) {
    String advice =
        name.equals(TEST)
            ? " Evaluation needs one: let prepare make it (test_size), or set eval_strategy: no and"
                + " eval_on_start: false."
            : " Let prepare write one with rows.";
    return new UserError(
        "dataset_path: the %s split in '%s' is empty.%s".formatted(name, dataset, advice));
  }

  public long bytes() {
    return files.stream().mapToLong(FileStatus::getLen).sum();
  }

  private String[] paths() {
    return files.stream().map(file -> file.getPath().toString()).toArray(String[]::new);
  }

  /** The conversations of one source alone. */
  public DatasetSplit of(String source) {
    return new DatasetSplit(name, layout, files, sources, Optional.of(source), columns);
  }

  /**
   * The same, with its columns: who reads it several times asks the files for them but once.
   *
   * @throws UserError if a file cannot be read
   */
  public DatasetSplit withColumns(SparkSession spark) {
    if (layout == DatasetLayout.JSON_LINES) {
      return this;
    }
    StructType found = reading(() -> literally(spark).parquet(paths()).schema());
    return new DatasetSplit(name, layout, files, sources, only, Optional.of(found));
  }

  /**
   * What Spark makes of the files.
   *
   * @throws UserError in the place of Spark's own exception
   */
  public <T> T reading(Supplier<T> work) {
    try {
      return work.get();
    } catch (UserError e) {
      throw e;
    } catch (Exception e) {
      // Spark's own exception is checked, and Scala does not declare it.
      throw new UserError(
          "dataset_path: '%s' cannot be read: %s. If prepare is at work there, wait for its end."
              .formatted(files.get(0).getPath().getParent(), rootMessage(e)),
          e);
    }
  }

  private static String rootMessage(Throwable failure) {
    Throwable root = failure;
    while (root.getCause() != null) {
      root = root.getCause();
    }
    return String.valueOf(root.getMessage()).lines().findFirst().orElse("");
  }

  private Dataset<Row> chosen(Dataset<Row> rows, Column source) {
    return only.map(wanted -> rows.where(source.equalTo(wanted))).orElse(rows);
  }

  /**
   * Rows of (conversation, file, block, tools, documents, rejected), as {@link DatasetLayout#read}
   * wants them.
   */
  public Dataset<Row> read(SparkSession spark) {
    Dataset<Row> conversations =
        switch (layout) {
          case PARQUET -> {
            DataFrameReader reader = literally(spark);
            Dataset<Row> rows =
                checked(columns.map(reader::schema).orElse(reader).parquet(paths()));
            yield withInputs(
                chosen(rows, col(ExtraColumn.SOURCE.text()))
                    .withColumn("conversation", expr(messages(rows.schema()))));
          }
          case JSON_LINES ->
              withInputs(
                  chosen(
                          literally(spark).text(paths()).where(trim(col("value")).notEqual("")),
                          get_json_object(col("value"), "$." + ExtraColumn.SOURCE.text()))
                      .withColumnRenamed("value", "conversation"));
        };
    return conversations.select(
        col("conversation"),
        col("_metadata.file_path"),
        col("_metadata.file_block_start"),
        col("tools"),
        col("documents"),
        col("rejected"));
  }

  /** With a column for each text beside messages, null where the files have none. */
  private static Dataset<Row> withInputs(Dataset<Row> rows) {
    Dataset<Row> all = rows;
    for (ExtraColumn column : ExtraColumn.values()) {
      if (column.isInput() && !Arrays.asList(rows.columns()).contains(column.text())) {
        all = all.withColumn(column.text(), lit(null).cast(DataTypes.StringType));
      } else if (column == ExtraColumn.REJECTED && areMessages(rows.schema(), column)) {
        all = all.withColumn(column.text(), to_json(col(column.text())));
      }
    }
    return all;
  }

  /** As data sets that others published have the other answer. */
  private static boolean areMessages(StructType schema, ExtraColumn column) {
    return Arrays.asList(schema.fieldNames()).contains(column.text())
        && schema.apply(column.text()).dataType() instanceof ArrayType;
  }

  /** Messages with every field that any data set has; null where this one has none. */
  private static String messages(StructType schema) {
    StructType message =
        (StructType) ((ArrayType) schema.apply("messages").dataType()).elementType();
    StringBuilder fields = new StringBuilder("m.role as role, m.content as content");
    for (ExtraColumn column : ExtraColumn.values()) {
      if (column.isField()) {
        String name = column.text();
        boolean there = Arrays.asList(message.fieldNames()).contains(name);
        fields.append(
            ", cast(%s as %s) as %s"
                .formatted(there ? "m." + name : "null", column.sparkType(), name));
      }
    }
    return "transform(messages, m -> struct(" + fields + "))";
  }

  /** A reader that takes a path for what it says: brackets and stars in a name are no glob. */
  public static DataFrameReader literally(SparkSession spark) {
    return spark.read().option(DataSource.GLOB_PATHS_KEY(), "false");
  }

  private Dataset<Row> checked(Dataset<Row> rows) {
    StructType schema = rows.schema();
    boolean fits =
        Arrays.asList(schema.fieldNames()).contains("messages")
            && schema.apply("messages").dataType() instanceof ArrayType array
            && array.elementType() instanceof StructType message
            && hasText(message, "role")
            && hasText(message, "content");
    if (!fits) {
      throw new UserError(
          "dataset_path: the Parquet files of '%s' have no column messages of {role, content} texts, but: %s. Let prepare write the data set."
              .formatted(files.get(0).getPath().getParent(), schema.simpleString()));
    }
    StructType message =
        (StructType) ((ArrayType) schema.apply("messages").dataType()).elementType();
    for (ExtraColumn column : ExtraColumn.values()) {
      StructType holder = column.isField() ? message : schema;
      // Other people's data sets have a column of this name for what they like.
      boolean known =
          column == ExtraColumn.REJECTED
              ? !areMessages(schema, column)
              : column != ExtraColumn.SOURCE || !sources.isEmpty();
      boolean there = known && Arrays.asList(holder.fieldNames()).contains(column.text());
      String type = there ? holder.apply(column.text()).dataType().simpleString() : "";
      boolean whole = column == ExtraColumn.WEIGHT && WHOLE_NUMBERS.contains(type);
      if (there && !whole && !type.equals(column.sparkType())) {
        throw new UserError(
            "dataset_path: the column %s of the Parquet files of '%s' is of type %s, but %s is needed. Let prepare write the data set."
                .formatted(
                    column.text(), files.get(0).getPath().getParent(), type, column.sparkType()));
      }
    }
    return rows;
  }

  private static boolean hasText(StructType message, String field) {
    return Arrays.asList(message.fieldNames()).contains(field)
        && message.apply(field).dataType().equals(DataTypes.StringType);
  }
}
