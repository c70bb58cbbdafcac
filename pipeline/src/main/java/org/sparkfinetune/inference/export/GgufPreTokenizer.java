package org.sparkfinetune.inference.export;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.sparkfinetune.errors.UserError;

/**
 * How text is cut before its tokens are found, by llama.cpp's name ({@code tokenizer.ggml.pre}).
 * Its own converter decides by a hash of the ids of a fixed text, which knows the tokenizers of
 * published models alone; here the expressions of {@code tokenizer.json} decide, which are what
 * llama.cpp's names stand for (its {@code llama-vocab.cpp}).
 */
final class GgufPreTokenizer {
  private static final String CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
  private static final String REST =
      "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
  private static final String REST_WITH_SLASH =
      "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
  private static final String WORD = "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+";
  private static final String UPPER = "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]";
  private static final String LOWER = "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]";
  private static final String CASED = "[^\\r\\n\\p{L}\\p{N}]?" + UPPER;

  /** Words that end with capitals and those that begin with them, each with what may follow. */
  private static String cased(String after) {
    return CASED + "*" + LOWER + "+" + after + "|" + CASED + "+" + LOWER + "*" + after;
  }

  private static final String THREE_DIGITS = CONTRACTIONS + WORD + "|\\p{N}{1,3}" + REST;
  private static final String DIGITS = "digits";
  private static final String GPT2 = "gpt-2";

  /** By the steps of a pre-tokenizer: expressions, single digits, GPT-2's own expression. */
  private static final Map<List<String>, String> NAMES =
      Map.of(
          List.of(GPT2),
          "gpt-2",
          List.of(DIGITS, GPT2),
          "smollm",
          List.of(THREE_DIGITS),
          "dbrx",
          List.of(CONTRACTIONS + WORD + "|\\p{N}" + REST),
          "qwen2",
          List.of(
              CONTRACTIONS
                  + "|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}"
                  + "| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"),
          "qwen35",
          List.of(cased("") + "|\\p{N}" + REST_WITH_SLASH),
          "tekken",
          List.of(cased(CONTRACTIONS + "?") + "|\\p{N}{1,3}" + REST_WITH_SLASH),
          "gpt-4o",
          List.of(
              "\\p{N}{1,3}",
              "[一-龥぀-ゟ゠-ヿ]+",
              "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"),
          "deepseek-v3");

  private GgufPreTokenizer() {}

  /**
   * @param where names the file in messages
   * @param tokenizer {@code tokenizer.json} of a byte-level BPE
   * @throws UserError if llama.cpp has no name for how this one cuts text
   */
  static String name(String where, JsonNode tokenizer) {
    List<String> steps = new ArrayList<>();
    addSteps(where, tokenizer.path("pre_tokenizer"), steps);
    String name =
        Optional.ofNullable(NAMES.get(steps))
            .orElseThrow(() -> unknown(where, tokenizer.path("pre_tokenizer")));
    // The two differ in this alone: llama-bpe takes a whole word that has a token before merging.
    boolean wholeWordsFirst = tokenizer.path("model").path("ignore_merges").asBoolean();
    return name.equals("dbrx") && wholeWordsFirst ? "llama-bpe" : name;
  }

  private static void addSteps(String where, JsonNode step, List<String> steps) {
    switch (step.path("type").asText()) {
      case "Sequence" -> step.path("pretokenizers").forEach(s -> addSteps(where, s, steps));
      case "Split" -> {
        if (!step.path("behavior").asText().equals("Isolated") || step.path("invert").asBoolean()) {
          throw unknown(where, step);
        }
        steps.add(plain(step.path("pattern").path("Regex").asText()));
      }
      case "Digits" -> {
        if (!step.path("individual_digits").asBoolean()) {
          throw unknown(where, step);
        }
        steps.add(DIGITS);
      }
      case "ByteLevel" -> {
        if (step.path("add_prefix_space").asBoolean()) {
          throw unknown(where, step);
        }
        if (step.path("use_regex").asBoolean(true)) {
          steps.add(GPT2);
        }
      }
      default -> throw unknown(where, step);
    }
  }

  /**
   * Other spellings of the same: quantifiers that give nothing back where nothing is wanted back.
   */
  private static String plain(String regex) {
    return regex
        .replace("'(?i:[sdmt]|ll|ve|re)", CONTRACTIONS)
        .replace("?+", "?")
        .replace("++", "+")
        .replace("|\\s*[\\r\\n]|", "|\\s*[\\r\\n]+|");
  }

  private static UserError unknown(String where, JsonNode step) {
    String shown = step.toString();
    return new UserError(
        "%s: the pre_tokenizer is %s, for which llama.cpp has no name that is known here, so it would find other tokens. Known are those of %s. Write safetensors (--format safetensors) and convert them with llama.cpp."
            .formatted(
                where,
                shown.length() > 300 ? shown.substring(0, 300) + "…" : shown,
                "GPT-2, Llama 3, Qwen 2 to 3.5, SmolLM, GPT-4o, Tekken and DeepSeek-V3"));
  }
}
