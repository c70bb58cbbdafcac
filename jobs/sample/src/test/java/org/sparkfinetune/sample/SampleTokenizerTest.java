package org.sparkfinetune.sample;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.sparkfinetune.bench.ModelShape;
import org.sparkfinetune.sample.SampleRows.Row;

final class SampleTokenizerTest {
  private static final List<Row> ROWS = SampleRows.generate(SampleMaker.SEED);
  private static final SampleTokenizer TRAINED = SampleTokenizer.train(ROWS, 2_048);
  private static HuggingFaceTokenizer tokenizer;

  @BeforeAll
  static void load() throws IOException {
    byte[] json = TRAINED.tokenizerJson().getBytes(StandardCharsets.UTF_8);
    tokenizer = HuggingFaceTokenizer.newInstance(new ByteArrayInputStream(json), Map.of());
  }

  @AfterAll
  static void close() {
    tokenizer.close();
  }

  @Test
  void it_fills_the_vocabulary_of_the_sample_model() {
    assertThat(TRAINED.size()).isEqualTo(ModelShape.named("sample").config().vocabSize());
  }

  @Test
  void djl_loads_it_and_every_row_comes_back_as_it_was() {
    assertThat(ROWS)
        .allSatisfy(
            row -> {
              String text = row.context() + "\n" + row.question() + "\n" + row.answer();
              assertThat(tokenizer.decode(ids(text))).isEqualTo(text);
            });
  }

  @Test
  void text_it_has_never_seen_comes_back_too() {
    String text = "Zażółć gęślą jaźń 東京 🚂\r\n\tit's 12345 {{ x }}";

    assertThat(tokenizer.decode(ids(text))).isEqualTo(text);
  }

  @Test
  void it_adds_no_tokens_by_itself_and_knows_the_special_ones() {
    long[] ids =
        tokenizer.encode("<|start_header_id|>user<|end_header_id|>SELECT<|eot_id|>").getIds();

    assertThat(ids[0]).isEqualTo(TRAINED.id("<|start_header_id|>"));
    assertThat(ids[ids.length - 1]).isEqualTo(TRAINED.id("<|eot_id|>"));
    assertThat(TRAINED.id("<|begin_of_text|>")).isEqualTo(2_043);
    assertThat(ids("SELECT")).doesNotContain(TRAINED.id("<|begin_of_text|>"));
  }

  @Test
  void sample_text_costs_few_tokens() {
    long characters = ROWS.stream().mapToLong(row -> row.answer().length()).sum();
    long tokens = ROWS.stream().mapToLong(row -> ids(row.answer()).length).sum();

    assertThat((double) characters / tokens).isGreaterThan(3.5);
  }

  @Test
  void merges_follow_frequency_and_then_ids() {
    BpeTrainer.Vocabulary vocabulary = BpeTrainer.train(List.of("aaab aaab ba"), 259);

    assertThat(vocabulary.tokens().subList(256, 259)).containsExactly("aa", "ab", "aaab");
  }

  private static long[] ids(String text) {
    return tokenizer.encode(text).getIds();
  }
}
