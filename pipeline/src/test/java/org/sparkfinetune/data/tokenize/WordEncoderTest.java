package org.sparkfinetune.data.tokenize;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.TreeMap;
import java.util.function.Consumer;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.sparkfinetune.data.tokenize.NativeTokenizer.Encoded;
import org.sparkfinetune.store.Store;

final class WordEncoderTest {
  /** What the pattern tells apart, more often than chance would have it. */
  private static final List<String> PARTS =
      List.of(
          " ",
          "  ",
          "\t",
          "\n",
          "\r\n",
          "\u000b",
          "\f",
          "\u001c",
          "\u0000",
          "\u007f",
          "'",
          "'S",
          "'ll",
          "'Ve",
          "SELECT",
          "name",
          "a",
          "Z",
          "7",
          "2024",
          ".",
          "!!",
          "_",
          "(",
          "<|",
          "|>",
          "<|eot_id|>",
          "<|begin_of_text|>");

  private static TokenizerFiles sample() {
    Path model = Path.of("../jobs/sample/model").toAbsolutePath();
    return TokenizerFiles.load(
        new org.apache.hadoop.fs.Path(model.toUri()), new Store(new Configuration(false)));
  }

  private static ObjectNode json(TokenizerFiles files) {
    try {
      return (ObjectNode) new ObjectMapper().readTree(files.tokenizerJson());
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  private static Optional<WordEncoder> encoder(ObjectNode json) {
    TokenizerJson read =
        TokenizerJson.read(
            new TokenizerFiles("folder", new TreeMap<>(Map.of("tokenizer.json", json.toString()))));
    return WordEncoder.of(read, new NativeTokenizer("folder", read.edited()));
  }

  @Test
  void ids_and_ends_are_those_of_the_library() {
    TokenizerFiles files = sample();
    TokenizerJson json = TokenizerJson.read(files);
    Random random = new Random(3);
    try (LlamaTokenizer tokenizer = LlamaTokenizer.of(files);
        NativeTokenizer library = new NativeTokenizer("folder", json.edited())) {
      WordEncoder words = WordEncoder.of(json, library).orElseThrow();
      for (int i = 0; i < 5_000; i++) {
        StringBuilder made = new StringBuilder();
        for (int part = random.nextInt(20); part >= 0; part--) {
          made.append(
              random.nextInt(5) == 0
                  ? String.valueOf((char) random.nextInt(0x80))
                  : PARTS.get(random.nextInt(PARTS.size())));
        }
        String text = made.toString();
        Encoded expected = library.encode(text);
        Encoded encoded = words.encode(text, tokenizer.specialTokensIn(text)).orElseThrow();
        assertThat(encoded.ids()).as(text).isEqualTo(expected.ids());
        assertThat(encoded.ends()).as(text).isEqualTo(expected.ends());
      }
      assertThat(words.encode("caf\u00e9", List.of())).isEmpty();
    }
  }

  @Test
  void a_long_word_and_more_words_than_are_kept_have_their_ids() {
    TokenizerFiles files = sample();
    TokenizerJson json = TokenizerJson.read(files);
    try (NativeTokenizer library = new NativeTokenizer("folder", json.edited())) {
      WordEncoder words = WordEncoder.of(json, library).orElseThrow();
      String longWord = "ab".repeat(5_000);
      assertThat(words.encode(longWord, List.of()).orElseThrow().ids())
          .isEqualTo(library.ids(longWord));
      StringBuilder many = new StringBuilder();
      for (int i = 0; i < 70_000; i++) {
        many.append(' ').append(Integer.toString(i, 26).replaceAll("[0-9]", "x"));
        many.append((char) ('a' + i % 26)).append((char) ('A' + i / 26 % 26));
        many.append((char) ('a' + i / 676 % 26)).append((char) ('A' + i / 17_576 % 26));
      }
      assertThat(words.encode(many.toString(), List.of()).orElseThrow().ids())
          .isEqualTo(library.ids(many.toString()));
    }
  }

  static List<Consumer<ObjectNode>> changes() {
    return List.of(
        json -> json.putObject("normalizer").put("type", "NFC"),
        json -> json.remove("pre_tokenizer"),
        json -> ((ObjectNode) json.at("/pre_tokenizer/pretokenizers/0")).put("invert", true),
        json ->
            ((ObjectNode) json.at("/pre_tokenizer/pretokenizers/0/pattern"))
                .put("Regex", "\\p{L}+|\\P{L}+"),
        json ->
            ((ObjectNode) json.at("/pre_tokenizer/pretokenizers/0"))
                .put("behavior", "MergedWithNext"),
        json ->
            ((ObjectNode) json.at("/pre_tokenizer/pretokenizers/1")).put("add_prefix_space", true),
        json -> ((ObjectNode) json.at("/pre_tokenizer/pretokenizers/1")).put("use_regex", true),
        json -> ((ObjectNode) json.at("/model")).put("dropout", 0.5),
        json -> ((ObjectNode) json.at("/added_tokens/0")).put("special", false),
        json -> ((ObjectNode) json.at("/added_tokens/0")).put("single_word", true),
        json -> ((ObjectNode) json.at("/added_tokens/0")).put("lstrip", true),
        json -> ((ObjectNode) json.at("/added_tokens/0")).put("rstrip", true),
        json -> ((ObjectNode) json.at("/added_tokens/0")).put("id", 100_000));
  }

  @ParameterizedTest
  @MethodSource("changes")
  void other_tokenizers_are_left_to_the_library(Consumer<ObjectNode> change) {
    ObjectNode json = json(sample());
    assertThat(encoder(json)).isPresent();
    change.accept(json);
    assertThat(encoder(json)).isEmpty();
  }
}
