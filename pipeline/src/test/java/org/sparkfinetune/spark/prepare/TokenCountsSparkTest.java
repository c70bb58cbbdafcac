package org.sparkfinetune.spark.prepare;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sparkfinetune.data.conversation.Conversation;
import org.sparkfinetune.data.conversation.TokenCounter;
import org.sparkfinetune.data.tokenize.TinyTokenizer;
import org.sparkfinetune.spark.tokenize.ConversationTokens;
import org.sparkfinetune.store.Store;
import org.sparkfinetune.testing.SparkSessions;

/** Token counts in the report. */
final class TokenCountsSparkTest {
  private final SparkSession spark = SparkSessions.shared();
  @TempDir private Path folder;

  /** As many tokens as the question has characters. */
  private static final class Characters implements TokenCounter {
    private static final long serialVersionUID = 1L;

    @Override
    public int[] count(List<Conversation> conversations) {
      return conversations.stream()
          .mapToInt(conversation -> conversation.messages().get(1).content().length())
          .toArray();
    }
  }

  /** 300 rows of 1 to 300 tokens. */
  private String rows() throws IOException {
    List<String> lines = new java.util.ArrayList<>();
    for (int i = 1; i <= 300; i++) {
      var row = Rows.sql(i);
      row.put("question", "q".repeat(i));
      lines.add(Rows.json(row));
    }
    return Rows.write(folder.resolve("rows.jsonl"), lines);
  }

  @Test
  void the_report_says_what_a_sequence_length_will_do() throws IOException {
    Configs configs = Configs.to(folder.resolve("out")).input(rows()).testRows(0).tokens(200);
    PrepareReport report = new Prepare(spark, configs.config()).counting(new Characters()).run();
    TokenReport tokens = report.train().tokens().orElseThrow();
    assertThat(tokens.tokens()).isEqualTo(300 * 301 / 2);
    assertThat(tokens.shortest()).isEqualTo(1);
    assertThat(tokens.median()).isEqualTo(150);
    assertThat(tokens.p99()).isEqualTo(297);
    assertThat(tokens.longest()).isEqualTo(300);
    assertThat(tokens.rowsByTokens())
        .contains(new PrepareReport.LengthRows(128, 255, 128))
        .contains(new PrepareReport.LengthRows(256, 511, 45));
    assertThat(tokens.atConfigured())
        .isEqualTo(
            new TokenReport.SequenceLength(200, true, 200, 101, 100, 45150 - 20100, 100 * 101 / 2));
    assertThat(tokens.sequenceLengths()).hasSize(6);
    assertThat(report.test().tokens()).isEmpty();
    JsonNode json = new ObjectMapper().readTree(folder.resolve("out/report.json").toFile());
    assertThat(json.at("/train/tokens/sequence_lengths/0/tokens_truncated").asInt())
        .isEqualTo(5050);
    assertThat(json.at("/test/tokens").isNull()).isTrue();
    assertThat(Files.readString(folder.resolve("out/report.html")))
        .contains("100 of 300 rows are longer than max_seq_length 200 and would be dropped")
        .contains("(overlong: truncate would cut off 5\u2009050 tokens)");
  }

  @Test
  void without_a_tokenizer_nothing_is_said_of_tokens() throws IOException {
    Configs configs = Configs.to(folder.resolve("out")).input(rows());
    assertThat(new Prepare(spark, configs.config()).run().train().tokens()).isEmpty();
    assertThat(Files.readString(folder.resolve("out/report.html")))
        .doesNotContain("max_seq_length");
  }

  @Test
  void a_real_tokenizer_counts_what_training_will_see() throws IOException {
    ConversationTokens counter =
        ConversationTokens.of(
            TinyTokenizer.files(), Optional.of("llama3"), new Store(new Configuration()));
    Configs configs = Configs.to(folder.resolve("out")).input(rows()).testRows(100).tokens(512);
    PrepareReport report = new Prepare(spark, configs.config()).counting(counter).run();
    long bytes = 0;
    for (String file : List.of("train_dataset.json", "test_dataset.json")) {
      for (String line : Files.readAllLines(folder.resolve("out").resolve(file))) {
        for (JsonNode message : new ObjectMapper().readTree(line).get("messages")) {
          // A byte is a token; around it start and end of the header, two line ends, end of turn.
          bytes +=
              message.get("role").asText().length()
                  + message.get("content").asText().strip().length()
                  + 5;
        }
        bytes++;
      }
    }
    assertThat(
            report.train().tokens().orElseThrow().tokens()
                + report.test().tokens().orElseThrow().tokens())
        .isEqualTo(bytes);
  }
}
