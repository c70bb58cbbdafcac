package org.sparkfinetune.inference.export;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.apache.hadoop.fs.Path;
import org.sparkfinetune.data.tokenize.TokenizerFiles;
import org.sparkfinetune.errors.ParserWords;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.store.Store;

/**
 * {@code tokenizer.json} as llama.cpp wants it: byte-level BPE as its "gpt2" with merges, BPE with
 * byte fallback (Llama 2's) as its "llama" with scores, which there are the merges' ranks.
 */
final class GgufTokenizer {
  private static final int NORMAL = 1;
  private static final int UNKNOWN = 2;
  private static final int CONTROL = 3;
  private static final int USER_DEFINED = 4;
  private static final int UNUSED = 5;
  private static final int BYTE = 6;

  private final Path folder;
  private final JsonNode json;
  private final JsonNode config;
  private final JsonNode modelConfig;
  private final Map<String, String> templates;

  private GgufTokenizer(
      Path folder,
      JsonNode json,
      JsonNode config,
      JsonNode modelConfig,
      Map<String, String> templates) {
    this.folder = folder;
    this.json = json;
    this.config = config;
    this.modelConfig = modelConfig;
    this.templates = templates;
  }

  static GgufTokenizer read(Path folder, Store store) {
    Optional<String> tokenizer = text(new Path(folder, "tokenizer.json"), store);
    if (tokenizer.isEmpty()) {
      throw new UserError(
          "%s has no tokenizer.json, and a GGUF file holds the tokenizer too.".formatted(folder));
    }
    JsonNode json = parse(tokenizer.get());
    if (!json.path("model").path("type").asText("BPE").equals("BPE")) {
      throw new UserError(
          "%s/tokenizer.json is of the type %s; GGUF is written for BPE."
              .formatted(folder, json.path("model").path("type")));
    }
    JsonNode config = parse(text(new Path(folder, "tokenizer_config.json"), store).orElse("{}"));
    return new GgufTokenizer(
        folder,
        json,
        config,
        parse(text(new Path(folder, "config.json"), store).orElse("{}")),
        TokenizerFiles.load(folder, store).chatTemplates());
  }

  private static Optional<String> text(Path file, Store store) {
    try (InputStream in = store.fileSystem(file).open(file)) {
      return Optional.of(new String(in.readAllBytes(), java.nio.charset.StandardCharsets.UTF_8));
    } catch (FileNotFoundException e) {
      return Optional.empty();
    } catch (IOException e) {
      throw new UserError(file + " cannot be read: " + e.getMessage(), e);
    }
  }

  private static JsonNode parse(String text) {
    try {
      return new ObjectMapper().readTree(text);
    } catch (IOException e) {
      throw new UserError(
          "A file of the tokenizer is not valid JSON: "
              + ParserWords.of(String.valueOf(e.getMessage())),
          e);
    }
  }

  void put(GgufMetadata metadata, int vocabulary) {
    boolean byteFallback = json.path("model").path("byte_fallback").asBoolean();
    List<String> tokens = new ArrayList<>();
    List<Integer> types = new ArrayList<>();
    for (int id = 0; id < vocabulary; id++) {
      tokens.add("[PAD" + id + "]");
      types.add(UNUSED);
    }
    fill(tokens, types, byteFallback);
    metadata.put("tokenizer.ggml.model", byteFallback ? "llama" : "gpt2");
    metadata.put(
        "tokenizer.ggml.pre",
        byteFallback ? "default" : GgufPreTokenizer.name(folder + "/tokenizer.json", json));
    metadata.putStrings("tokenizer.ggml.tokens", tokens);
    metadata.putInts("tokenizer.ggml.token_type", types);
    List<String> merges = merges();
    if (byteFallback) {
      metadata.putFloats("tokenizer.ggml.scores", scores(tokens, merges));
      metadata.put("tokenizer.ggml.add_space_prefix", addsSpacePrefix());
    } else {
      metadata.putStrings("tokenizer.ggml.merges", merges);
    }
    putSpecial(metadata, "bos");
    putSpecial(metadata, "eos");
    putSpecial(metadata, "pad");
    // The chat template writes BOS where there is to be one.
    metadata.put("tokenizer.ggml.add_bos_token", config.path("add_bos_token").asBoolean(false));
    putTemplates(metadata);
  }

  /** As gguf's own writer: the default under the plain key, the others under their names. */
  private void putTemplates(GgufMetadata metadata) {
    List<String> names = new ArrayList<>();
    templates.forEach(
        (name, text) -> {
          String key = name.replaceAll("[^A-Za-z0-9]", "_");
          if (name.equals("default")) {
            metadata.put("tokenizer.chat_template", text);
          } else {
            names.add(key);
            metadata.put("tokenizer.chat_template." + key, text);
          }
        });
    if (!names.isEmpty()) {
      metadata.putStrings("tokenizer.chat_templates", names);
    }
  }

  /**
   * Whether a text begins with the mark of a space that it does not have: Llama 2's does, Yi's and
   * Gemma's do not.
   */
  private boolean addsSpacePrefix() {
    for (JsonNode step : steps(json.path("normalizer"), "normalizers")) {
      if (step.path("type").asText().equals("Prepend")) {
        return true;
      }
    }
    for (JsonNode step : steps(json.path("pre_tokenizer"), "pretokenizers")) {
      if (step.path("type").asText().equals("Metaspace")) {
        return step.has("prepend_scheme")
            ? !step.path("prepend_scheme").asText().equals("never")
            : step.path("add_prefix_space").asBoolean(true);
      }
    }
    return false;
  }

  private static Iterable<JsonNode> steps(JsonNode step, String several) {
    return step.has(several) ? step.path(several) : List.of(step);
  }

  private void fill(List<String> tokens, List<Integer> types, boolean byteFallback) {
    String unknown = json.path("model").path("unk_token").asText("");
    json.path("model")
        .path("vocab")
        .fields()
        .forEachRemaining(
            entry -> {
              boolean isByte = byteFallback && entry.getKey().matches("<0x[0-9A-F]{2}>");
              int type = isByte ? BYTE : entry.getKey().equals(unknown) ? UNKNOWN : NORMAL;
              set(tokens, types, entry.getValue().intValue(), entry.getKey(), type);
            });
    for (JsonNode added : json.path("added_tokens")) {
      String text = added.path("content").asText();
      int type =
          text.equals(unknown)
              ? UNKNOWN
              : added.path("special").asBoolean() ? CONTROL : USER_DEFINED;
      set(tokens, types, added.path("id").intValue(), text, type);
    }
  }

  private void set(List<String> tokens, List<Integer> types, int id, String text, int type) {
    if (id >= tokens.size()) {
      throw new UserError(
          "The tokenizer in %s has the id %s, but the model's vocab_size is %s."
              .formatted(folder, id, tokens.size()));
    }
    tokens.set(id, text);
    types.set(id, type);
  }

  /** Each as its two parts with a space between, the older way of writing them. */
  private List<String> merges() {
    List<String> merges = new ArrayList<>();
    for (JsonNode merge : json.path("model").path("merges")) {
      merges.add(
          merge.isTextual()
              ? merge.textValue()
              : merge.path(0).textValue() + " " + merge.path(1).textValue());
    }
    return merges;
  }

  private static List<Float> scores(List<String> tokens, List<String> merges) {
    Map<String, Float> ranks = new HashMap<>();
    for (int rank = 0; rank < merges.size(); rank++) {
      ranks.putIfAbsent(merges.get(rank).replaceFirst(" ", ""), -1f - rank);
    }
    return tokens.stream().map(token -> ranks.getOrDefault(token, 0f)).toList();
  }

  private void putSpecial(GgufMetadata metadata, String which) {
    JsonNode named = config.path(which + "_token");
    String text = named.isObject() ? named.path("content").asText() : named.asText("");
    for (JsonNode added : json.path("added_tokens")) {
      if (!text.isEmpty() && added.path("content").asText().equals(text)) {
        metadata.put("tokenizer.ggml." + idName(which), added.path("id").intValue());
        return;
      }
    }
    JsonNode id = modelConfig.path(which + "_token_id");
    JsonNode one = id.isArray() ? id.path(0) : id;
    if (one.isInt()) {
      metadata.put("tokenizer.ggml." + idName(which), one.intValue());
    }
  }

  private static String idName(String which) {
    return switch (which) {
      case "pad" -> "padding_token_id";
      default -> which + "_token_id";
    };
  }
}
