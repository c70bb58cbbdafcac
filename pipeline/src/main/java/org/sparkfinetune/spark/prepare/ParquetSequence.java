package org.sparkfinetune.spark.prepare;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Iterator;
import java.util.Map;
import org.apache.spark.sql.Row;
import org.jspecify.annotations.Nullable;
import org.sparkfinetune.errors.Bug;

/** Rows that Spark read from Parquet; the last two columns say the file and the row in it. */
final class ParquetSequence implements SourceSequence {
  private final Iterator<Row> rows;
  private final Map<String, InputFile> files;
  private @Nullable Row row;
  private @Nullable InputFile file;
  private String fileUri = "";

  /**
   * @param files by {@link ParquetInput#normalised}
   */
  ParquetSequence(Iterator<Row> rows, Map<String, InputFile> files) {
    this.rows = rows;
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
      file = files.get(ParquetInput.normalised(uri));
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

  private InputFile file() {
    if (file == null) {
      throw new Bug("Spark read %s, which is not among the input.".formatted(fileUri));
    }
    return file;
  }

  @Override
  public Place place() {
    return new Place(file().index(), 0, row().getLong(row().size() - 1) + 1);
  }

  @Override
  public long splitStart() {
    return 0;
  }

  @Override
  public InputFile.Origin origin() {
    return file().origin();
  }

  @Override
  public ObjectNode tree() {
    return ParquetTrees.tree(row(), row().size() - 2);
  }

  @Override
  public String excerpt() {
    return Excerpt.of(tree().toString());
  }
}
