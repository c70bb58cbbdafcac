package org.sparkfinetune.data.tokenize;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.TreeMap;

/**
 * A byte-level BPE tokenizer of our own: bytes are ids 0 to 255, id 256 is a merge of ")" and a
 * newline, then come the special tokens. The whole text is one word, so merges cross message
 * borders. Its post-processor adds BOS, as Llama 3's does.
 */
public final class TinyTokenizer {
  public static final int MERGED = 256;
  public static final int BOS = 257;
  public static final int EOS = 258;
  public static final int START_HEADER = 259;
  public static final int END_HEADER = 260;
  public static final int EOT = 261;
  public static final int THINK = 262;

  private TinyTokenizer() {}

  public static TokenizerFiles files() {
    TreeMap<String, String> texts = new TreeMap<>();
    texts.put("tokenizer.json", json().toString());
    texts.put(
        "tokenizer_config.json",
        "{\"bos_token\": \"<|begin_of_text|>\", \"eos_token\": {\"content\":"
            + " \"<|end_of_text|>\"}}");
    return new TokenizerFiles("tiny", texts);
  }

  /** Writes the tokenizer's files into a folder and returns it. */
  public static Path writeTo(Path folder) {
    try {
      Files.createDirectories(folder);
      for (var file : files().texts().entrySet()) {
        Files.writeString(folder.resolve(file.getKey()), file.getValue());
      }
      return folder;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  static ObjectNode json() {
    ObjectNode json = new ObjectMapper().createObjectNode().put("version", "1.0");
    ArrayNode added = json.putArray("added_tokens");
    String[] special = {
      "<|begin_of_text|>",
      "<|end_of_text|>",
      "<|start_header_id|>",
      "<|end_header_id|>",
      "<|eot_id|>"
    };
    for (int i = 0; i < special.length; i++) {
      added.add(added(BOS + i, special[i], true));
    }
    added.add(added(THINK, "<think>", false));
    json.putNull("normalizer");
    ObjectNode bytes = json.putObject("pre_tokenizer").put("type", "ByteLevel");
    bytes.put("add_prefix_space", false).put("trim_offsets", true).put("use_regex", false);
    ObjectNode post = json.putObject("post_processor").put("type", "TemplateProcessing");
    post.putArray("single").add(special("<|begin_of_text|>")).add(sequence());
    post.putArray("pair");
    ObjectNode bos = post.putObject("special_tokens").putObject("<|begin_of_text|>");
    bos.put("id", "<|begin_of_text|>").putArray("ids").add(BOS);
    bos.putArray("tokens").add("<|begin_of_text|>");
    ObjectNode decoder = json.putObject("decoder").put("type", "ByteLevel");
    decoder.put("add_prefix_space", false).put("trim_offsets", true).put("use_regex", false);
    ObjectNode model = json.putObject("model").put("type", "BPE");
    ObjectNode vocabulary = model.putObject("vocab");
    int beyond = 256;
    for (int b = 0; b < 256; b++) {
      boolean printable = (b >= '!' && b <= '~') || (b >= 0xa1 && b <= 0xac) || b >= 0xae;
      vocabulary.put(String.valueOf((char) (printable ? b : beyond++)), b);
    }
    vocabulary.put(")\u010a", MERGED);
    model.putArray("merges").add(") \u010a");
    return json;
  }

  private static ObjectNode added(int id, String text, boolean special) {
    ObjectNode token = new ObjectMapper().createObjectNode().put("id", id).put("content", text);
    token.put("single_word", false).put("lstrip", false).put("rstrip", false);
    return token.put("normalized", false).put("special", special);
  }

  private static ObjectNode special(String text) {
    ObjectNode node = new ObjectMapper().createObjectNode();
    node.putObject("SpecialToken").put("id", text).put("type_id", 0);
    return node;
  }

  private static ObjectNode sequence() {
    ObjectNode node = new ObjectMapper().createObjectNode();
    node.putObject("Sequence").put("id", "A").put("type_id", 0);
    return node;
  }
}
