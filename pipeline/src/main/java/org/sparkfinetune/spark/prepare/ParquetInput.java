package org.sparkfinetune.spark.prepare;

import static org.apache.spark.sql.functions.col;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.InputStream;
import java.io.Serializable;
import java.net.URI;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.apache.hadoop.fs.Path;
import org.apache.parquet.hadoop.ParquetFileReader;
import org.apache.parquet.hadoop.util.HadoopInputFile;
import org.apache.parquet.schema.MessageType;
import org.apache.parquet.schema.Type;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.execution.datasources.DataSource;
import org.apache.spark.sql.execution.datasources.parquet.ParquetToSparkSchemaConverter;
import org.apache.spark.sql.internal.SQLConf;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.StructField;
import org.apache.spark.sql.types.StructType;
import org.jspecify.annotations.Nullable;
import org.sparkfinetune.errors.Bug;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.store.LfsPointer;
import org.sparkfinetune.store.Store;

/**
 * Parquet files by Spark's reader, of each file only the columns that are needed. What the others
 * are, and how they are compressed, makes no difference. Files of unlike schemas are read apart, so
 * that no value is turned into another type, and a column that is missing is not taken for null.
 */
final class ParquetInput {
  /** The files of one schema, as far as it matters, and their rows. */
  record Part(Dataset<Row> rows, List<String> names, Map<String, InputFile> filesByPath) {}

  /**
   * What a footer says.
   *
   * @param schema of the needed columns, as Spark writes schemas in JSON
   * @param names the columns that a row shows: the needed ones, or all if one of those is missing
   * @param problem why the file cannot be read; empty if it can
   */
  private record Footer(String schema, List<String> names, String problem)
      implements Serializable {}

  private final SparkSession spark;
  private final Set<String> needed;

  ParquetInput(SparkSession spark, Set<String> needed) {
    this.spark = spark;
    this.needed = needed;
  }

  /**
   * @throws UserError if a footer cannot be read, or Spark does not know the type of a needed
   *     column
   */
  List<Part> read(List<InputFile> all) {
    List<InputFile> files =
        all.stream().filter(file -> file.format() == InputFile.Format.PARQUET).toList();
    if (files.isEmpty()) {
      return List.of();
    }
    Map<Footer, List<InputFile>> byFooter = new LinkedHashMap<>();
    List<Footer> footers = footers(files);
    for (int i = 0; i < files.size(); i++) {
      byFooter.computeIfAbsent(footers.get(i), footer -> new ArrayList<>()).add(files.get(i));
    }
    List<Part> parts = new ArrayList<>();
    byFooter.forEach((footer, group) -> parts.add(part(footer, group)));
    return parts;
  }

  private List<Footer> footers(List<InputFile> files) {
    JavaSparkContext context = JavaSparkContext.fromSparkContext(spark.sparkContext());
    Store store = new Store(spark.sparkContext().hadoopConfiguration());
    List<String> columns = needed.stream().sorted().toList();
    int tasks = Math.min(files.size(), 4 * context.defaultParallelism());
    return context
        .parallelize(files.stream().map(InputFile::uri).toList(), tasks)
        .map(uri -> footer(uri, columns, store))
        .collect();
  }

  private static Footer footer(String uri, List<String> columns, Store store) {
    String what = "the file";
    try (ParquetFileReader reader =
        ParquetFileReader.open(HadoopInputFile.fromPath(new Path(uri), store.hadoop()))) {
      MessageType schema = reader.getFileMetaData().getSchema();
      List<String> names = schema.getFields().stream().map(Type::getName).toList();
      boolean complete = names.containsAll(columns);
      StructType types = new StructType();
      ParquetToSparkSchemaConverter converter = new ParquetToSparkSchemaConverter(new SQLConf());
      for (Type column : schema.getFields()) {
        if (columns.contains(column.getName())) {
          what = "the column " + column.getName() + " (" + column.toString().strip() + ")";
          for (StructField field :
              converter.convert(new MessageType(schema.getName(), column)).fields()) {
            types = types.add(field);
          }
        }
      }
      return new Footer(types.json(), complete ? List.of(types.fieldNames()) : names, "");
    } catch (Exception e) {
      // AnalysisException is checked in Scala and undeclared in Java.
      if (isPointer(uri, store)) {
        return new Footer("", List.of(), "it " + LfsPointer.WHAT);
      }
      return new Footer("", List.of(), what + ": " + Prepare.oneLine(e));
    }
  }

  private static boolean isPointer(String uri, Store store) {
    try (InputStream in = store.fileSystem(new Path(uri)).open(new Path(uri))) {
      return LfsPointer.isAt(in.readNBytes(LfsPointer.LONGEST));
    } catch (IOException e) {
      // What the reader of Parquet says is the better message.
      return false;
    }
  }

  private Part part(Footer footer, List<InputFile> files) {
    if (!footer.problem().isEmpty()) {
      throw new UserError(
          "input: %s%s cannot be read as Parquet: %s. Check that the file is whole; a column of a type that this Spark does not know (float16 in Spark 3.5) has to be written as another."
              .formatted(
                  files.get(0).uri(),
                  files.size() > 1 ? " and %s more".formatted(files.size() - 1) : "",
                  footer.problem()));
    }
    Dataset<Row> rows =
        spark
            .read()
            // The paths name files, even where they look like globs.
            .option(DataSource.GLOB_PATHS_KEY(), "false")
            // Where a session says otherwise, rows would go missing.
            .option("ignoreCorruptFiles", "false")
            .option("ignoreMissingFiles", "false")
            .schema((StructType) DataType.fromJson(footer.schema()))
            .parquet(files.stream().map(InputFile::uri).toArray(String[]::new))
            .select(col("*"), col("_metadata.file_path"), col("_metadata.row_index"));
    Map<String, InputFile> byPath =
        files.stream()
            .collect(
                Collectors.toMap(
                    file -> normalised(new Path(file.uri()).toUri().toString()), file -> file));
    return new Part(rows, List.copyOf(footer.names()), byPath);
  }

  /** One spelling for {@code file:/x}, {@code file:///x} and escaped characters. */
  private static String normalised(String uri) {
    return new Path(URI.create(uri)).toString();
  }

  /** The rows of one task; the last two columns say the file and the row's place in it. */
  static final class Rows implements InputRows {
    private final Iterator<Row> rows;
    private final List<String> names;
    private final Map<String, InputFile> files;
    private @Nullable Row row;
    private @Nullable InputFile file;
    private String fileUri = "";

    Rows(Iterator<Row> rows, List<String> names, Map<String, InputFile> files) {
      this.rows = rows;
      this.names = names;
      this.files = files;
    }

    @Override
    public boolean next() {
      if (!rows.hasNext()) {
        return false;
      }
      row = rows.next();
      String uri = row.getString(row.size() - 2);
      if (!uri.equals(fileUri)) {
        file = files.get(normalised(uri));
        fileUri = uri;
      }
      return true;
    }

    private Row row() {
      if (row == null) {
        throw new Bug("A row was asked for before the first.");
      }
      return row;
    }

    @Override
    public InputFile file() {
      if (file == null) {
        throw new Bug("Spark read %s, which is not among the input.".formatted(fileUri));
      }
      return file;
    }

    @Override
    public Position position() {
      return new Position(file().index(), 0, row().getLong(row().size() - 1) + 1);
    }

    @Override
    public long splitStart() {
      return 0;
    }

    @Override
    public ObjectNode tree() {
      return RowTree.of(row(), row().size() - 2, names);
    }

    @Override
    public String excerpt() {
      return Utf8.excerpt(tree().toString());
    }
  }
}
