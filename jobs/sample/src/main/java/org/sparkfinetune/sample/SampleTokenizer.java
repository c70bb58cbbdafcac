package org.sparkfinetune.sample;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.util.DefaultIndenter;
import com.fasterxml.jackson.core.util.DefaultPrettyPrinter;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.sparkfinetune.sample.SampleRows.Row;

/**
 * A tokenizer trained on the sample, as Hugging Face's {@code tokenizer.json}: byte-level BPE with
 * Llama 3's split, and Llama 3's special tokens after the others. It adds no tokens by itself: the
 * chat template says which there are.
 */
final class SampleTokenizer {
  static final List<String> SPECIAL =
      List.of(
          "<|begin_of_text|>",
          "<|end_of_text|>",
          "<|start_header_id|>",
          "<|end_header_id|>",
          "<|eot_id|>");

  /** Every conversation begins with these words, so they should cost few tokens. */
  private static final String FRAME =
      """
      You are an text to SQL query translator. Users will ask you questions in English and you will \
      generate a SQL query based on the provided SCHEMA.
      SCHEMA:
      CREATE

      Human: Show

      Assistant: SELECT\
      """;

  private final BpeTrainer.Vocabulary vocabulary;

  private SampleTokenizer(BpeTrainer.Vocabulary vocabulary) {
    this.vocabulary = vocabulary;
  }

  /**
   * Learns its tokens from the texts of {@code rows}.
   *
   * @param size tokens with the special ones
   */
  static SampleTokenizer train(List<Row> rows, int size) {
    List<String> texts =
        rows.stream()
            .flatMap(row -> Stream.of(FRAME, row.context(), row.question(), row.answer()))
            .toList();
    return new SampleTokenizer(BpeTrainer.train(texts, size - SPECIAL.size()));
  }

  /** Tokens with the special ones. */
  int size() {
    return vocabulary.tokens().size() + SPECIAL.size();
  }

  int id(String special) {
    return vocabulary.tokens().size() + SPECIAL.indexOf(special);
  }

  /** The content of {@code tokenizer.json}. */
  String tokenizerJson() {
    Map<String, Object> root = new LinkedHashMap<>();
    root.put("version", "1.0");
    root.put("truncation", null);
    root.put("padding", null);
    root.put("added_tokens", SPECIAL.stream().map(this::addedToken).toList());
    root.put("normalizer", null);
    root.put("pre_tokenizer", preTokenizer());
    root.put("post_processor", null);
    root.put("decoder", byteLevel());
    root.put("model", model());
    return json(root);
  }

  /** The content of {@code tokenizer_config.json}. */
  String configJson() {
    Map<String, Object> added = new LinkedHashMap<>();
    for (String token : SPECIAL) {
      Map<String, Object> entry = addedToken(token);
      added.put(String.valueOf(entry.remove("id")), entry);
    }
    Map<String, Object> root = new LinkedHashMap<>();
    root.put("added_tokens_decoder", added);
    root.put("bos_token", SPECIAL.get(0));
    root.put("clean_up_tokenization_spaces", false);
    root.put("eos_token", SPECIAL.get(1));
    root.put("model_max_length", 1024);
    root.put("tokenizer_class", "PreTrainedTokenizerFast");
    return json(root);
  }

  private Map<String, Object> addedToken(String token) {
    Map<String, Object> entry = new LinkedHashMap<>();
    entry.put("id", id(token));
    entry.put("content", token);
    entry.put("single_word", false);
    entry.put("lstrip", false);
    entry.put("rstrip", false);
    entry.put("normalized", false);
    entry.put("special", true);
    return entry;
  }

  private static Map<String, Object> preTokenizer() {
    Map<String, Object> split = new LinkedHashMap<>();
    split.put("type", "Split");
    split.put("pattern", Map.of("Regex", BpeTrainer.SPLIT));
    split.put("behavior", "Isolated");
    split.put("invert", false);
    Map<String, Object> sequence = new LinkedHashMap<>();
    sequence.put("type", "Sequence");
    sequence.put("pretokenizers", List.of(split, byteLevel()));
    return sequence;
  }

  private static Map<String, Object> byteLevel() {
    Map<String, Object> step = new LinkedHashMap<>();
    step.put("type", "ByteLevel");
    step.put("add_prefix_space", false);
    step.put("trim_offsets", true);
    step.put("use_regex", false);
    return step;
  }

  private Map<String, Object> model() {
    List<String> tokens = vocabulary.tokens();
    Map<String, Integer> ids = new LinkedHashMap<>();
    tokens.forEach(token -> ids.put(token, ids.size()));
    List<String> merges = new ArrayList<>();
    for (BpeTrainer.Pair pair : vocabulary.merges()) {
      merges.add(tokens.get(pair.left()) + " " + tokens.get(pair.right()));
    }
    Map<String, Object> model = new LinkedHashMap<>();
    model.put("type", "BPE");
    model.put("dropout", null);
    model.put("unk_token", null);
    model.put("continuing_subword_prefix", null);
    model.put("end_of_word_suffix", null);
    model.put("fuse_unk", false);
    model.put("byte_fallback", false);
    model.put("ignore_merges", false);
    model.put("vocab", ids);
    model.put("merges", merges);
    return model;
  }

  private static String json(Object value) {
    DefaultIndenter newLines = new DefaultIndenter("  ", "\n");
    DefaultPrettyPrinter printer = new DefaultPrettyPrinter();
    printer.indentArraysWith(newLines);
    printer.indentObjectsWith(newLines);
    try {
      return new ObjectMapper().writer(printer).writeValueAsString(value) + "\n";
    } catch (JsonProcessingException impossible) {
      throw new UncheckedIOException(impossible);
    }
  }
}
