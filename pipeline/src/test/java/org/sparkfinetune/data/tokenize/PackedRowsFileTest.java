package org.sparkfinetune.data.tokenize;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.apache.parquet.example.data.Group;
import org.apache.parquet.example.data.simple.SimpleGroupFactory;
import org.apache.parquet.hadoop.ParquetWriter;
import org.apache.parquet.hadoop.example.ExampleParquetWriter;
import org.apache.parquet.schema.MessageType;
import org.apache.parquet.schema.MessageTypeParser;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sparkfinetune.data.tokenize.ConversationTokenizer.TokenizedSample;
import org.sparkfinetune.data.tokenize.PackedRows.PackedRow;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.store.Store;

final class PackedRowsFileTest {
  private static final Store STORE = new Store(new Configuration(false));

  @TempDir private Path folder;

  private static PackedRow row(int rowLength, int... lengths) {
    PackedRowBuilder builder = new PackedRowBuilder(rowLength, 99);
    int id = 1;
    for (int length : lengths) {
      int[] ids = new int[length];
      boolean[] trained = new boolean[length];
      for (int i = 0; i < length; i++) {
        ids[i] = id++;
        trained[i] = i != 1;
      }
      builder.add(LabelledIds.of(new TokenizedSample(ids, trained)).ids());
    }
    return builder.build();
  }

  private org.apache.hadoop.fs.Path path(String file) {
    return new org.apache.hadoop.fs.Path(folder.resolve(file).toUri());
  }

  private void write(String file, PackedRow... rows) throws IOException {
    try (PackedRowsParquet.RowWriter writer = PackedRowsParquet.writer(path(file), STORE)) {
      for (PackedRow row : rows) {
        writer.write(row);
      }
    }
  }

  private PackedRowsFile open() {
    return PackedRowsFile.copyOf(path(""), "train", STORE, folder.resolve("scratch"));
  }

  @Test
  void a_row_holds_its_pieces_and_padding() {
    PackedRow row = row(8, 3, 3);
    assertThat(row.inputIds()).containsExactly(1, 2, 3, 4, 5, 6, 99, 99);
    assertThat(row.labels()).containsExactly(-100, -100, 3, -100, -100, 6, -100, -100);
    assertThat(row.positionIds()).containsExactly(0, 1, 2, 0, 1, 2, 0, 0);
    assertThat(row.segmentIds()).containsExactly(0, 0, 0, 1, 1, 1, -1, -1);
  }

  @Test
  void any_row_can_be_read_in_the_order_of_the_files() throws IOException {
    write("train-00001.parquet", row(8, 2));
    write("train-00000.parquet", row(8, 8), row(8, 3, 3));
    write("test-00000.parquet", row(4, 2));
    try (PackedRowsFile rows = open()) {
      assertThat(rows.size()).isEqualTo(3);
      assertThat(rows.rowLength()).isEqualTo(8);
      assertThat(List.of(rows.row(2), rows.row(0), rows.row(1)))
          .usingRecursiveComparison()
          .isEqualTo(List.of(row(8, 2), row(8, 8), row(8, 3, 3)));
      assertThatThrownBy(() -> rows.row(3)).isInstanceOf(IndexOutOfBoundsException.class);
    }
    try (Stream<Path> left = Files.list(folder.resolve("scratch"))) {
      assertThat(left).isEmpty();
    }
  }

  @Test
  void a_split_that_is_not_there_has_no_rows() throws IOException {
    assertThat(PackedRowsFile.exists(path(""), "train", STORE)).isFalse();
    try (PackedRowsFile rows = open()) {
      assertThat(rows.size()).isZero();
    }
  }

  @Test
  void rows_written_by_others_are_read_by_their_columns_names() throws IOException {
    List<String> fields = new ArrayList<>(List.of("extra"));
    fields.addAll(List.of("segment_ids", "labels", "input_ids", "position_ids"));
    StringBuilder schema = new StringBuilder("message m {");
    for (String field : fields) {
      schema
          .append("optional group ")
          .append(field)
          .append(" (LIST) { repeated group bag { optional int32 array_element; } } ");
    }
    MessageType type = MessageTypeParser.parseMessageType(schema + "}");
    Group group = new SimpleGroupFactory(type).newGroup();
    for (String field : fields) {
      Group list = group.addGroup(field);
      list.addGroup(0).add(0, fields.indexOf(field));
      list.addGroup(0).add(0, 7);
    }
    try (ParquetWriter<Group> writer =
        ExampleParquetWriter.builder(path("train-0.parquet")).withType(type).build()) {
      writer.write(group);
    }
    try (PackedRowsFile rows = open()) {
      assertThat(rows.row(0).inputIds()).containsExactly(3, 7);
      assertThat(rows.row(0).labels()).containsExactly(2, 7);
      assertThat(rows.row(0).positionIds()).containsExactly(4, 7);
      assertThat(rows.row(0).segmentIds()).containsExactly(1, 7);
    }
  }

  @Test
  void what_is_no_packed_row_is_said() throws IOException {
    write("train-00000.parquet", row(8, 8));
    write("train-00001.parquet", row(9, 8));
    assertThatThrownBy(this::open)
        .isInstanceOf(UserError.class)
        .hasMessageContaining("Row 1")
        .hasMessageContaining("another length than 8");
    MessageType type = MessageTypeParser.parseMessageType("message m { required int32 labels; }");
    Files.delete(folder.resolve("train-00001.parquet"));
    Group group = new SimpleGroupFactory(type).newGroup().append("labels", 1);
    try (ParquetWriter<Group> writer =
        ExampleParquetWriter.builder(path("train-00001.parquet")).withType(type).build()) {
      writer.write(group);
    }
    assertThatThrownBy(this::open)
        .isInstanceOf(UserError.class)
        .hasMessageContaining("'input_ids' is missing");
  }
}
