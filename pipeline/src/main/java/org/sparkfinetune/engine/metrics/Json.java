package org.sparkfinetune.engine.metrics;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import org.apache.hadoop.fs.Path;
import org.sparkfinetune.errors.Bug;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.store.Store;

/** JSON documents of a run folder, indented for people. */
final class Json {

  private static final ObjectMapper MAPPER =
      new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT);

  private Json() {}

  static byte[] bytes(JsonNode node) {
    try {
      return (MAPPER.writeValueAsString(node) + "\n").getBytes(StandardCharsets.UTF_8);
    } catch (JsonProcessingException e) {
      throw new Bug("A JSON tree could not be written.", e);
    }
  }

  static JsonNode tree(String json) throws IOException {
    return MAPPER.readTree(json);
  }

  static Optional<JsonNode> read(Path path, Store files) {
    return files.read(path).map(bytes -> parse(path, bytes));
  }

  private static JsonNode parse(Path path, byte[] bytes) {
    try {
      JsonNode node = MAPPER.readTree(bytes);
      if (node.isObject()) {
        return node;
      }
    } catch (IOException e) {
      throw new UserError(path + " is not JSON; move it away to go on without it", e);
    }
    throw new UserError(path + " is not a JSON object; move it away to go on without it");
  }
}
