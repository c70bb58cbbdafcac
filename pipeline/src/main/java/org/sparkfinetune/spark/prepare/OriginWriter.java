package org.sparkfinetune.spark.prepare;

import java.io.IOException;
import java.util.Locale;
import org.apache.parquet.example.data.Group;
import org.apache.parquet.example.data.simple.SimpleGroupFactory;
import org.apache.parquet.hadoop.ParquetWriter;
import org.sparkfinetune.spark.dataset.RowOrigin;
import org.sparkfinetune.spark.prepare.Selection.Split;
import org.sparkfinetune.store.AtomicFile;

/** Where each conversation of a bucket is from: {@code provenance/part-*.parquet}. */
final class OriginWriter {
  private final SimpleGroupFactory rows = new SimpleGroupFactory(RowOrigin.SCHEMA);
  private final AtomicFile file;
  private final ParquetWriter<Group> writer;

  private OriginWriter(AtomicFile file, ParquetWriter<Group> writer) {
    this.file = file;
    this.writer = writer;
  }

  static OriginWriter create(OutputFolder.Parts parts, int bucket) throws IOException {
    AtomicFile file =
        parts.create(String.format(Locale.ROOT, "%s/part-%05d.parquet", RowOrigin.FOLDER, bucket));
    return new OriginWriter(
        file,
        OpenParquet.writer(file, RowOrigin.SCHEMA)
            .withDictionaryEncoding(RowOrigin.ID, false)
            .build());
  }

  /**
   * @param source empty where nothing is mixed
   * @param in the file or table, and the row in it
   */
  void write(String id, Split split, String source, String in, long row) throws IOException {
    Group group = rows.newGroup();
    group
        .append(RowOrigin.ID, id)
        .append(RowOrigin.SPLIT, split.folder())
        .append(RowOrigin.FILE, in)
        .append(RowOrigin.ROW, row);
    if (!source.isEmpty()) {
      group.add(RowOrigin.SOURCE, source);
    }
    writer.write(group);
  }

  void finish() throws IOException {
    writer.close();
    file.commit();
  }
}
