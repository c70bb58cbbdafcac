package org.sparkfinetune.spark.prepare;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.sql.Row;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.sparkfinetune.config.PrepareConfig;
import org.sparkfinetune.config.PrepareConfig.DatasetKind;
import org.sparkfinetune.store.Store;

/** Every file of the corpus through the readers and converters that the job uses, without a job. */
final class BadInputsTest {
  private static final Path CORPUS = Path.of("src", "test", "resources", "bad-inputs");

  static Stream<JsonNode> cases() throws IOException {
    JsonNode all = new ObjectMapper().readTree(CORPUS.resolve("expected.json").toFile());
    return StreamSupport.stream(all.spliterator(), false);
  }

  @Test
  void the_corpus_has_a_case_for_every_file_and_at_least_sixty() throws IOException {
    List<String> named = cases().map(node -> node.get("file").asText()).toList();
    try (Stream<Path> files = Files.list(CORPUS)) {
      assertThat(files.map(file -> file.getFileName().toString()))
          .containsExactlyInAnyOrderElementsOf(
              Stream.concat(named.stream(), Stream.of("expected.json", "README.md")).toList())
          .hasSizeGreaterThan(60);
    }
  }

  @ParameterizedTest
  @MethodSource("cases")
  void each_is_answered_as_expected(JsonNode expected) {
    PrepareConfig config = config(expected);
    Taken taken = take(config);
    if (expected.has("unreadable")) {
      assertThat(taken.counts.unreadable().values())
          .singleElement()
          .asString()
          .contains(expected.get("unreadable").asText());
      return;
    }
    assertThat(taken.counts.unreadable()).isEmpty();
    assertThat(taken.counts.rows()).isEqualTo(expected.get("rows").asLong());
    assertThat(taken.rejections).isNotEmpty();
    DeadLetterRow first = taken.rejections.get(0);
    assertThat(first.reason().text()).isEqualTo(expected.get("reason").asText());
    assertThat(first.detail()).contains(expected.get("detail").asText());
    assertThat(first.detail()).doesNotContain("fasterxml", "sparkfinetune", "Feature.");
    assertThat(first.position().number()).isEqualTo(expected.get("row").asLong());
    assertThat(first.excerpt().length()).isLessThanOrEqualTo(Utf8.EXCERPT + 1);
    long samples = taken.counts.samples().values().stream().mapToLong(Long::longValue).sum();
    assertThat(samples + taken.counts.rejectedRows()).isEqualTo(taken.counts.rows());
  }

  private static PrepareConfig config(JsonNode expected) {
    String kind = expected.get("dataset").asText();
    DatasetKind dataset =
        Stream.of(DatasetKind.values())
            .filter(k -> k.text().equals(kind))
            .findFirst()
            .orElseThrow();
    Configs configs =
        Configs.to(Path.of("unused"))
            .dataset(dataset)
            .input(CORPUS.resolve(expected.get("file").asText()).toString());
    return dataset == DatasetKind.TEMPLATE
        ? configs.template(Map.of("user", "{q} {n}", "assistant", "{a}")).config()
        : configs.config();
  }

  private record Taken(ReadCounts counts, List<DeadLetterRow> rejections) {}

  private static Taken take(PrepareConfig config) {
    Configuration hadoop = new Configuration();
    List<InputFile> files = new InputFiles(new Store(hadoop)).resolve(config);
    ReadTask.Plan plan =
        new ReadTask.Plan(
            Prepare.readSources(config),
            42,
            Buckets.of(3),
            DeadLetterRow.Order.of(files),
            null,
            Set.of());
    ReadCounts counts = new ReadCounts();
    List<TextSplit> splits = TextSplit.of(files, 1 << 20);
    ReadTask task =
        new ReadTask(new TextInput(splits.iterator(), new Store(hadoop), counts), counts, plan);
    List<DeadLetterRow> rejections = new ArrayList<>();
    while (task.hasNext()) {
      Row row = task.next();
      if (ShuffledRow.isDeadLetter(row)) {
        rejections.add(DeadLetterRow.decoded(ShuffledRow.body(row)));
      }
    }
    return new Taken(counts, rejections);
  }
}
