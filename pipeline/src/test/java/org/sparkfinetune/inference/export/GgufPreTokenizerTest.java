package org.sparkfinetune.inference.export;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import org.junit.jupiter.api.Test;
import org.sparkfinetune.errors.UserError;

/** The expressions are those of the published tokenizers. */
final class GgufPreTokenizerTest {
  private static final String LLAMA3 =
      "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

  private static ObjectNode tokenizer(String... steps) {
    ObjectNode json = new ObjectMapper().createObjectNode();
    json.putObject("model").put("type", "BPE").put("ignore_merges", false);
    ArrayNode list =
        json.putObject("pre_tokenizer").put("type", "Sequence").putArray("pretokenizers");
    for (String step : steps) {
      switch (step) {
        case "gpt2" -> list.addObject().put("type", "ByteLevel").put("use_regex", true);
        case "bytes" -> list.addObject().put("type", "ByteLevel").put("use_regex", false);
        case "digits" -> list.addObject().put("type", "Digits").put("individual_digits", true);
        default ->
            list.addObject()
                .put("type", "Split")
                .put("behavior", "Isolated")
                .put("invert", false)
                .putObject("pattern")
                .put("Regex", step);
      }
    }
    return json;
  }

  private static String name(ObjectNode json) {
    return GgufPreTokenizer.name("tokenizer.json", json);
  }

  @Test
  void of_one_expression_the_merges_tell_llama_3_from_others() {
    ObjectNode json = tokenizer(LLAMA3, "bytes");
    assertThat(name(json)).isEqualTo("dbrx");
    ((ObjectNode) json.path("model")).put("ignore_merges", true);
    assertThat(name(json)).isEqualTo("llama-bpe");
    // Phi-4's, which is tiktoken's own spelling of the same.
    assertThat(
            name(
                tokenizer(
                    "'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+",
                    "bytes")))
        .isEqualTo("dbrx");
  }

  @Test
  void each_family_has_its_name() {
    assertThat(name(tokenizer(LLAMA3.replace("{1,3}", ""), "bytes"))).isEqualTo("qwen2");
    assertThat(name(tokenizer("digits", "gpt2"))).isEqualTo("smollm");
    assertThat(name(tokenizer("gpt2"))).isEqualTo("gpt-2");
    String upper = "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]";
    String lower = "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]";
    assertThat(
            name(
                tokenizer(
                    "[^\\r\\n\\p{L}\\p{N}]?%1$s*%2$s+|[^\\r\\n\\p{L}\\p{N}]?%1$s+%2$s*|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
                        .formatted(upper, lower),
                    "bytes")))
        .isEqualTo("tekken");
    assertThat(
            name(
                tokenizer(
                    "[^\\r\\n\\p{L}\\p{N}]?%1$s*%2$s+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\\r\\n\\p{L}\\p{N}]?%1$s+%2$s*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
                        .formatted(upper, lower),
                    "bytes")))
        .isEqualTo("gpt-4o");
  }

  @Test
  void another_way_of_cutting_text_is_refused_and_shown() {
    for (ObjectNode json :
        new ObjectNode[] {
          tokenizer("\\p{L}+", "bytes"), tokenizer("gpt2", "digits"), tokenizer("bytes")
        }) {
      assertThatThrownBy(() -> name(json))
          .isInstanceOf(UserError.class)
          .hasMessageContaining("llama.cpp has no name that is known here")
          .hasMessageContaining("Sequence");
    }
    ObjectNode none = tokenizer();
    none.putNull("pre_tokenizer");
    assertThatThrownBy(() -> name(none)).isInstanceOf(UserError.class);
  }
}
