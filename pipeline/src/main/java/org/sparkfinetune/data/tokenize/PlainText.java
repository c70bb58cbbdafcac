package org.sparkfinetune.data.tokenize;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.util.HashMap;
import java.util.Map;
import org.sparkfinetune.data.tokenize.NativeTokenizer.Encoded;
import org.sparkfinetune.errors.Bug;

/**
 * Encodes text in which nothing is a special token, whatever it looks like: with copies of the
 * tokenizer that have none.
 */
final class PlainText implements AutoCloseable {
  private static final ObjectMapper JSON = new ObjectMapper();

  private final NativeTokenizer atStart;
  private final NativeTokenizer further;

  /** Ids that the copies give to the other added tokens, to the tokenizer's own. */
  private final Map<Integer, Integer> renumbered = new HashMap<>();

  PlainText(String folder, byte[] tokenizer, NativeTokenizer own) {
    ObjectNode plain = read(tokenizer);
    JsonNode all = plain.path("added_tokens");
    ArrayNode kept = plain.putArray("added_tokens");
    for (JsonNode token : all) {
      if (!token.path("special").asBoolean()) {
        kept.add(token);
      }
    }
    atStart = new NativeTokenizer(folder, write(plain));
    further = forbidPrefix(plain) ? new NativeTokenizer(folder, write(plain)) : atStart;
    for (JsonNode token : kept) {
      int[] before = own.ids(token.path("content").asText());
      int[] after = atStart.ids(token.path("content").asText());
      if (before.length == 1 && after.length == 1 && before[0] != after[0]) {
        renumbered.put(after[0], before[0]);
      }
    }
  }

  /** A prefix for the first word of a text alone must not come back after each special token. */
  private static boolean forbidPrefix(ObjectNode tokenizer) {
    boolean changed = false;
    for (JsonNode parent : tokenizer.findParents("prepend_scheme")) {
      if (parent.path("prepend_scheme").asText().equals("first")) {
        ((ObjectNode) parent).put("prepend_scheme", "never");
        changed = true;
      }
    }
    return changed;
  }

  private static ObjectNode read(byte[] tokenizer) {
    try {
      return (ObjectNode) JSON.readTree(tokenizer);
    } catch (IOException e) {
      throw new Bug("A tokenizer that was read before cannot be read.", e);
    }
  }

  private static byte[] write(ObjectNode tokenizer) {
    try {
      return JSON.writeValueAsBytes(tokenizer);
    } catch (JsonProcessingException e) {
      throw new Bug("A JSON tree cannot be written.", e);
    }
  }

  /**
   * @param first whether the text stands at the very beginning
   */
  Encoded encode(String text, boolean first) {
    Encoded encoded = (first ? atStart : further).encode(text);
    int[] ids = encoded.ids();
    for (int i = 0; i < ids.length; i++) {
      ids[i] = renumbered.getOrDefault(ids[i], ids[i]);
    }
    return encoded;
  }

  @Override
  public void close() {
    atStart.close();
    if (further != atStart) {
      further.close();
    }
  }
}
