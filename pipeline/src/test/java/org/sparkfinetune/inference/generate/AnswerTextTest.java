package org.sparkfinetune.inference.generate;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.sparkfinetune.data.tokenize.LlamaTokenizer;
import org.sparkfinetune.inference.generate.Generator.TokenListener;
import org.sparkfinetune.store.Store;

final class AnswerTextTest {
  private static final Path MODEL = Path.of("../jobs/sample/model").toAbsolutePath().normalize();

  private static LlamaTokenizer tokenizer;

  @BeforeAll
  static void load() {
    tokenizer =
        LlamaTokenizer.load(
            new org.apache.hadoop.fs.Path(MODEL.toUri()), new Store(new Configuration(false)));
  }

  @AfterAll
  static void close() {
    tokenizer.close();
  }

  private record HumanReadable(List<String> pieces, String text, boolean stopped) {}

  private static HumanReadable show(String text, String... stop) {
    List<String> pieces = new ArrayList<>();
    AnswerText answer = new AnswerText(tokenizer, List.of(stop), pieces::add);
    boolean stopped = false;
    for (int id : tokenizer.encode(text)) {
      if (answer.add(id) == TokenListener.Then.STOP) {
        stopped = true;
        break;
      }
    }
    return new HumanReadable(pieces, answer.finish(), stopped);
  }

  @Test
  void pieces_make_up_the_text() {
    HumanReadable shown = show("SELECT name FROM head WHERE age > 56");

    assertThat(shown.pieces()).hasSizeGreaterThan(3);
    assertThat(String.join("", shown.pieces()))
        .isEqualTo(shown.text())
        .isEqualTo("SELECT name FROM head WHERE age > 56");
  }

  @Test
  void half_a_character_is_never_shown() {
    HumanReadable shown = show("naïve 数据 😀 x");

    assertThat(String.join("", shown.pieces())).isEqualTo("naïve 数据 😀 x");
    assertThat(shown.pieces()).noneMatch(piece -> piece.contains("\ufffd"));
  }

  @Test
  void a_stop_string_ends_the_answer_and_no_part_of_it_is_shown() {
    HumanReadable shown = show("SELECT 1;\n\nHuman: and now?", "\n\nHuman:", "never");

    assertThat(shown.stopped()).isTrue();
    assertThat(shown.text()).isEqualTo("SELECT 1;");
    assertThat(String.join("", shown.pieces())).isEqualTo("SELECT 1;");
  }

  @Test
  void what_only_began_like_a_stop_string_is_shown_after_all() {
    HumanReadable shown = show("SELECT 1;\n\nHum", "\n\nHuman:");

    assertThat(shown.stopped()).isFalse();
    assertThat(String.join("", shown.pieces())).isEqualTo("SELECT 1;\n\nHum");
  }
}
