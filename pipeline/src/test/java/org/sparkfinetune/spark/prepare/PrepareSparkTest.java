package org.sparkfinetune.spark.prepare;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.sparkfinetune.spark.prepare.Preparing.lines;
import static org.sparkfinetune.spark.prepare.Preparing.run;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.github.luben.zstd.ZstdOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import java.util.zip.GZIPOutputStream;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.sparkfinetune.config.PrepareConfig;
import org.sparkfinetune.config.PrepareConfig.DatasetKind;
import org.sparkfinetune.config.PrepareConfig.OutputFormat;
import org.sparkfinetune.data.conversation.Conversation;
import org.sparkfinetune.data.conversation.RowShape;
import org.sparkfinetune.data.conversation.RowShape.Converter;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.spark.dataset.DatasetSplit;
import org.sparkfinetune.store.Store;
import org.sparkfinetune.testing.SparkSessions;

final class PrepareSparkTest {
  private static final ObjectMapper MAPPER = new ObjectMapper();
  private final SparkSession spark = SparkSessions.shared();
  @TempDir private Path folder;

  private Path output() {
    return folder.resolve("out");
  }

  private String rows(int count) throws IOException {
    return Rows.write(folder.resolve("in/rows.jsonl"), Rows.sqlLines(count));
  }

  @Test
  void writes_both_splits_in_both_formats_with_exact_counts() throws IOException {
    PrepareReport report = run(Configs.to(output()).input(rows(503)).testRows(100));
    assertThat(report.rows()).isEqualTo(new PrepareReport.Rows(503, 403, 100, 0, 0, 0));
    List<String> train = lines(output().resolve("train_dataset.json"));
    List<String> test = lines(output().resolve("test_dataset.json"));
    assertThat(train).hasSize(403).doesNotContainAnyElementsOf(test);
    assertThat(test).hasSize(100);
    assertThat(train.get(0)).contains("Gr\\u00f6\\u00dfe").contains("\\/");
    Dataset<Row> parquet = spark.read().parquet(output().resolve("train").toString());
    assertThat(parquet.schema().simpleString())
        .isEqualTo("struct<id:string,messages:array<struct<role:string,content:string>>>");
    assertThat(parquet.select("id").distinct().count()).isEqualTo(403);
    assertThat(parquetLines(parquet)).containsExactlyElementsOf(contents(train));
  }

  private static List<String> parquetLines(Dataset<Row> rows) {
    return rows.collectAsList().stream()
        .map(
            row ->
                row.<Row>getList(1).stream()
                    .map(message -> message.getString(0) + ":" + message.getString(1))
                    .collect(Collectors.joining("|")))
        .toList();
  }

  private static List<String> contents(List<String> lines) throws IOException {
    List<String> contents = new ArrayList<>();
    for (String line : lines) {
      List<String> messages = new ArrayList<>();
      for (JsonNode message : MAPPER.readTree(line).get("messages")) {
        messages.add(message.get("role").asText() + ":" + message.get("content").asText());
      }
      contents.add(String.join("|", messages));
    }
    return contents;
  }

  @Test
  void every_format_and_packing_gives_the_same_bytes() throws IOException {
    List<String> lines = Rows.sqlLines(150);
    String text = String.join("\n", lines) + "\n";
    Path in = Files.createDirectories(folder.resolve("in"));
    Files.writeString(in.resolve("a.jsonl"), text);
    Files.writeString(in.resolve("b.json"), "\uFEFF [" + String.join(",\n  ", lines) + "]\n");
    try (OutputStream out = new GZIPOutputStream(Files.newOutputStream(in.resolve("c.jsonl.gz")))) {
      out.write(text.getBytes(StandardCharsets.UTF_8));
    }
    try (OutputStream out =
        new ZstdOutputStream(Files.newOutputStream(in.resolve("d.ndjson.zst")))) {
      out.write(text.getBytes(StandardCharsets.UTF_8));
    }
    Files.writeString(in.resolve("e.csv"), csv(lines));
    spark.read().json(in.resolve("a.jsonl").toString()).write().parquet(in.resolve("f") + "");
    List<String> inputs =
        List.of("a.jsonl", "b.json", "c.jsonl.gz", "d.ndjson.zst", "e.csv", "f/*.parquet", "f");
    Set<String> hashes = new HashSet<>();
    for (int i = 0; i < inputs.size(); i++) {
      Path out = folder.resolve("out" + i);
      run(Configs.to(out).input(in.resolve(inputs.get(i)).toString()));
      hashes.add(Files.readString(out.resolve("train_dataset.json")));
    }
    assertThat(hashes).hasSize(1);
  }

  private static String csv(List<String> lines) throws IOException {
    StringBuilder csv = new StringBuilder("kind,context,question,answer\r\n");
    for (String line : lines) {
      JsonNode row = MAPPER.readTree(line);
      csv.append(row.get("kind").asText()).append(',');
      csv.append('"').append(row.get("context").asText()).append("\",");
      csv.append('"').append(row.get("question").asText().replace("\"", "\"\"")).append("\",");
      csv.append(row.get("answer").asText()).append("\r\n");
    }
    return csv.toString();
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 7, 64})
  void any_partitioning_gives_the_same_bytes_rejections_included(int partitions)
      throws IOException {
    String input = Rows.write(folder.resolve("in/rows.jsonl"), PreparedBytes.input());
    long bytes = Files.size(Path.of(input)) / partitions + 1;
    PrepareConfig config = Configs.to(output()).input(input).maxRejected(1).config();
    new Prepare(spark, config, OptionalLong.of(bytes)).run();
    PreparedBytes.check(output());
    JsonNode rejected = MAPPER.readTree(lines(output().resolve("rejected/rejected.json")).get(7));
    assertThat(rejected.get("row").asLong()).isEqualTo(7 * 97 + 1);
    assertThat(rejected.get("excerpt").asText()).isEqualTo("not json 7");
    assertThat(rejected.get("file").asText()).endsWith("/in/rows.jsonl");
  }

  @Test
  void packed_rows_are_the_recorded_ones() throws IOException {
    String input = Rows.write(folder.resolve("in/rows.jsonl"), PreparedBytes.input());
    run(Configs.to(output()).input(input).maxRejected(1));
    assertThat(PreparedBytes.packedDigest(spark, output(), folder))
        .isEqualTo(PreparedBytes.RECORDED_PACKED);
  }

  @Test
  void rows_spread_over_other_files_give_the_same_conversations_in_the_same_order()
      throws IOException {
    List<String> lines = Rows.sqlLines(300);
    Rows.deal(folder.resolve("one"), lines, 1);
    Rows.deal(folder.resolve("many"), lines, 13);
    run(Configs.to(folder.resolve("a")).input(folder.resolve("one").toString()));
    run(Configs.to(folder.resolve("b")).input(folder.resolve("many") + "/rows-*.jsonl"));
    for (String file : List.of("train_dataset.json", "test_dataset.json")) {
      assertThat(folder.resolve("a").resolve(file))
          .hasSameBinaryContentAs(folder.resolve("b").resolve(file));
    }
  }

  @Test
  void another_seed_gives_another_order_of_the_same_rows() throws IOException {
    String input = rows(200);
    run(Configs.to(folder.resolve("a")).input(input).testRows(0));
    run(Configs.to(folder.resolve("b")).input(input).testRows(0).seed(43));
    List<String> a = lines(folder.resolve("a/train_dataset.json"));
    List<String> b = lines(folder.resolve("b/train_dataset.json"));
    assertThat(a).hasSize(200).containsExactlyInAnyOrderElementsOf(b).isNotEqualTo(b);
    assertThat(folder.resolve("a/test_dataset.json")).isEmptyFile();
    assertThat(spark.read().parquet(folder.resolve("a/test").toString()).count()).isZero();
  }

  @Test
  void a_test_split_of_so_many_rows_stays_when_more_rows_are_taken() throws IOException {
    String input = rows(400);
    run(Configs.to(folder.resolve("a")).input(input).numSamples(100).testRows(30));
    PrepareReport more =
        run(Configs.to(folder.resolve("b")).input(input).numSamples(300).testRows(30));
    assertThat(more.rows()).isEqualTo(new PrepareReport.Rows(400, 270, 30, 0, 0, 100));
    assertThat(folder.resolve("a/test_dataset.json"))
        .hasSameBinaryContentAs(folder.resolve("b/test_dataset.json"));
  }

  @Test
  void stratified_splits_keep_the_shares_of_each_value() throws IOException {
    List<String> lines = new ArrayList<>();
    for (int i = 0; i < 300; i++) {
      var row = Rows.sql(i);
      row.put("kind", i < 30 ? "rare" : i < 120 ? "some" : "most");
      row.put("context", row.get("kind") + " " + row.get("context"));
      lines.add(Rows.json(row));
    }
    String input = Rows.write(folder.resolve("in/rows.jsonl"), lines);
    run(Configs.to(output()).input(input).numSamples(200).testRows(50).stratifyBy("kind"));
    for (var shares :
        List.of(List.of("rare", 5L, 15L), List.of("some", 15L, 45L), List.of("most", 30L, 90L))) {
      assertThat(count("test_dataset.json", (String) shares.get(0))).isEqualTo(shares.get(1));
      assertThat(count("train_dataset.json", (String) shares.get(0))).isEqualTo(shares.get(2));
    }
  }

  private long count(String file, String text) throws IOException {
    return lines(output().resolve(file)).stream().filter(line -> line.contains(text)).count();
  }

  @Test
  void repeats_are_counted_and_dropped_when_asked() throws IOException {
    List<String> lines = new ArrayList<>(Rows.sqlLines(100));
    lines.addAll(Rows.sqlLines(20));
    lines.add(Rows.json(Rows.sql(3)).replace("SELECT", "select  ").replace("INT", "int"));
    String input = Rows.write(folder.resolve("in/rows.jsonl"), lines);
    PrepareReport kept = run(Configs.to(folder.resolve("kept")).input(input));
    assertThat(kept.rows()).isEqualTo(new PrepareReport.Rows(121, 96, 25, 0, 0, 0));
    assertThat(kept.repeats().exact()).isEqualTo(20);
    assertThat(kept.repeats().near()).isEqualTo(1);
    PrepareReport dropped = run(Configs.to(folder.resolve("dropped")).input(input).deduplicate());
    assertThat(dropped.rows()).isEqualTo(new PrepareReport.Rows(121, 80, 20, 0, 21, 0));
    assertThat(lines(folder.resolve("dropped/train_dataset.json"))).doesNotHaveDuplicates();
  }

  @Test
  void a_ready_test_split_is_kept_and_its_overlap_reported_or_dropped() throws IOException {
    String input = rows(50);
    String test = Rows.write(folder.resolve("in/test.jsonl"), Rows.sqlLines(60).subList(45, 60));
    PrepareReport kept = run(Configs.to(folder.resolve("kept")).input(input).testInput(test));
    assertThat(kept.rows()).isEqualTo(new PrepareReport.Rows(65, 50, 15, 0, 0, 0));
    assertThat(kept.repeats().testRowsInTrain()).isEqualTo(5);
    assertThat(kept.notes()).anyMatch(note -> note.startsWith("5 test row(s)"));
    PrepareReport dropped =
        run(Configs.to(folder.resolve("dropped")).input(input).testInput(test).deduplicate());
    assertThat(dropped.rows()).isEqualTo(new PrepareReport.Rows(65, 50, 10, 0, 5, 0));
  }

  @Test
  void no_robots_in_parquet_gets_its_system_message_and_plain_characters() throws IOException {
    List<String> lines = new ArrayList<>();
    for (int i = 0; i < 10; i++) {
      lines.add(
          "{\"prompt\": \"p\", \"category\": \"Chat\", \"messages\": [{\"role\": \"user\", \"content\": \"é/%d\"}, {\"role\": \"assistant\", \"content\": \"a\"}]}"
              .formatted(i));
    }
    lines.add("{\"prompt\": \"p\", \"messages\": [{\"role\": \"user\", \"content\": \"u\"}]}");
    String json = Rows.write(folder.resolve("in/rows.jsonl"), lines);
    String parquet = folder.resolve("with space/p").toString();
    spark.read().json(json).coalesce(1).write().parquet(parquet);
    PrepareReport report =
        run(
            Configs.to(output())
                .dataset(DatasetKind.NO_ROBOTS)
                .input(parquet)
                .testRows(2)
                .maxRejected(0.1));
    assertThat(report.rows()).isEqualTo(new PrepareReport.Rows(11, 8, 2, 1, 0, 0));
    assertThat(report.rejected().get(0).reason()).isEqualTo("odd number of turns");
    assertThat(report.rejected().get(0).row()).isEqualTo(11);
    assertThat(lines(output().resolve("train_dataset.json")).get(0))
        .startsWith("{\"messages\":[{\"role\":\"system\",\"content\":\"You are Llama, an AI")
        .contains("é\\/");
  }

  @ParameterizedTest
  @EnumSource(OutputFormat.class)
  void tools_documents_weights_and_reasoning_come_back_as_they_went_in(OutputFormat format)
      throws Exception {
    List<String> lines = new ArrayList<>();
    for (String file :
        List.of(
            "tool-calls.jsonl", "messages-weights.jsonl", "reasoning.jsonl", "documents.jsonl")) {
      lines.addAll(lines(Path.of("src/test/resources/cases", file)));
    }
    PrepareReport report =
        run(
            Configs.to(output())
                .dataset(DatasetKind.MESSAGES)
                .input(Rows.write(folder.resolve("in/rows.jsonl"), lines))
                .formats(format)
                .testRows(1));
    assertThat(report.notes())
        .anySatisfy(note -> assertThat(note).startsWith("2 row(s) call tools."))
        .anySatisfy(note -> assertThat(note).startsWith("2 turn(s) have weight 0"));
    Converter converter = RowShape.MESSAGES.converter(Optional.empty(), Optional.empty());
    Set<Conversation> expected = new HashSet<>();
    for (String line : lines) {
      expected.add(converter.convert((ObjectNode) MAPPER.readTree(line)));
    }
    Set<Conversation> found = new HashSet<>();
    for (String split : List.of("train", "test")) {
      DatasetSplit files =
          DatasetSplit.find(
                  new org.apache.hadoop.fs.Path(output().toString()),
                  split,
                  new Store(new Configuration()))
              .orElseThrow();
      for (Row row : files.read(spark).collectAsList()) {
        found.add(files.layout().read(row, 0));
      }
    }
    assertThat(found).isEqualTo(expected);
  }

  @Test
  void a_data_set_of_ones_own_has_the_types_of_prepares_or_is_refused() throws Exception {
    spark
        .sql(
            "SELECT array(named_struct('role', 'user', 'content', 'q', 'weight', 0L),"
                + " named_struct('role', 'assistant', 'content', 'a', 'weight', 1L)) AS messages")
        .write()
        .parquet(folder.resolve("own/train").toString());
    spark
        .sql(
            "SELECT array(named_struct('role', 'user', 'content', 'q', 'tool_calls', array(1)))"
                + " AS messages")
        .write()
        .parquet(folder.resolve("other/train").toString());
    Store store = new Store(new Configuration());
    DatasetSplit own =
        DatasetSplit.train(new org.apache.hadoop.fs.Path(folder.resolve("own").toString()), store);
    Conversation conversation = own.layout().read(own.read(spark).first(), 0);
    assertThat(conversation.messages())
        .extracting(message -> message.extras().untrained())
        .containsExactly(true, false);
    DatasetSplit other =
        DatasetSplit.train(
            new org.apache.hadoop.fs.Path(folder.resolve("other").toString()), store);
    assertThatThrownBy(() -> other.read(spark))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("the column tool_calls")
        .hasMessageContaining("is of type array<int>, but array<struct<id:string");
  }

  @Test
  void one_format_alone_is_one_format_alone() throws IOException {
    run(Configs.to(output()).input(rows(10)).formats(OutputFormat.JSON));
    assertThat(output().resolve("train")).isEmptyDirectory();
    assertThat(output().resolve("train_dataset.json")).isNotEmptyFile();
  }

  @Test
  void the_report_counts_and_the_page_escapes() throws IOException {
    var row = Rows.sql(0);
    row.put("question", "<script>alert('x')</script> & \"more\"");
    String input =
        Rows.write(
            folder.resolve("in/rows.jsonl"),
            Stream.concat(Rows.sqlLines(9).stream().skip(1), Stream.of("", Rows.json(row)))
                .toList());
    run(Configs.to(output()).input(input).testRows(2));
    JsonNode report = MAPPER.readTree(output().resolve("report.json").toFile());
    assertThat(report.at("/rows/in").asInt()).isEqualTo(9);
    assertThat(report.at("/rows/train").asInt()).isEqualTo(7);
    assertThat(report.at("/rows/repeats_dropped").asInt()).isZero();
    assertThat(report.at("/blank_lines").asInt()).isEqualTo(1);
    assertThat(report.at("/train/rows_by_messages/3").asInt()).isEqualTo(7);
    assertThat(report.at("/samples").size()).isEqualTo(7);
    String page = Files.readString(output().resolve("report.html"));
    assertThat(page).contains("&lt;script&gt;").doesNotContain("<script").contains("viewport");
  }

  @Test
  void zstd_with_a_window_longer_than_usual_is_read() throws IOException {
    Path file = folder.resolve("rows.jsonl.zst");
    try (ZstdOutputStream out = new ZstdOutputStream(Files.newOutputStream(file))) {
      out.setLong(28);
      out.write(String.join("\n", Rows.sqlLines(30)).getBytes(StandardCharsets.UTF_8));
    }
    assertThat(run(Configs.to(output()).input(file.toString())).rows().in()).isEqualTo(30);
  }

  @Test
  void the_data_set_hash_is_of_the_rows_in_their_order_whatever_files_hold_them()
      throws IOException {
    String input = Rows.write(folder.resolve("in/rows.jsonl"), Rows.sqlLines(300));
    Rows.deal(folder.resolve("many"), Rows.sqlLines(300), 7);
    String hash = run(Configs.to(output()).input(input)).datasetHash();
    assertThat(PreparedBytes.datasetHash(output())).hasSize(64).isEqualTo(hash);
    Configs many = Configs.to(folder.resolve("b")).input(folder.resolve("many").toString());
    assertThat(run(many.formats(OutputFormat.JSON)).datasetHash()).isEqualTo(hash);
    assertThat(run(Configs.to(folder.resolve("c")).input(input).seed(43)).datasetHash())
        .isNotEqualTo(hash);
    assertThat(run(Configs.to(folder.resolve("d")).input(input).testRows(61)).datasetHash())
        .isNotEqualTo(hash);
  }
}
