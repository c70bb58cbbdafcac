package org.sparkfinetune.model.safetensors;

import com.fasterxml.jackson.core.JsonFactoryBuilder;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.Map;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.sparkfinetune.errors.ParserWords;
import org.sparkfinetune.errors.UserError;

/** {@code model.safetensors.index.json}: which shard holds which tensor. */
final class ShardIndex {
  private static final long MAX_BYTES = 100_000_000;

  private static final ObjectMapper JSON =
      JsonMapper.builder(
              new JsonFactoryBuilder()
                  .configure(StreamReadFeature.STRICT_DUPLICATE_DETECTION, true)
                  .build())
          .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
          .build();

  private ShardIndex() {}

  /** Tensor name to the plain name of a file beside the index. */
  static Map<String, String> read(FileSystem fileSystem, Path index) throws IOException {
    if (fileSystem.getFileStatus(index).getLen() > MAX_BYTES) {
      throw new UserError(index + " has more than " + MAX_BYTES + " bytes: no index of a model.");
    }
    JsonNode map;
    try (FSDataInputStream stream = fileSystem.open(index)) {
      map = JSON.readTree(stream.readAllBytes()).path("weight_map");
    } catch (JsonProcessingException e) {
      throw new UserError(
          index + " is not JSON: " + Names.quoted(ParserWords.of(e.getOriginalMessage())), e);
    }
    if (!map.isObject() || map.isEmpty()) {
      throw new UserError(index + " has no weight_map of tensor names to files.");
    }
    Map<String, String> weightMap = new LinkedHashMap<>();
    map.fields()
        .forEachRemaining(
            entry -> weightMap.put(entry.getKey(), file(index, entry.getKey(), entry.getValue())));
    return weightMap;
  }

  private static String file(Path index, String tensor, JsonNode value) {
    String file = value.asText();
    // A plain name only: a path could lead anywhere on the cluster's disks or stores.
    boolean plain =
        value.isTextual()
            && file.endsWith(".safetensors")
            && file.chars().noneMatch(c -> c == '/' || c == '\\' || c == ':' || c < ' ');
    if (!plain || file.startsWith(".")) {
      throw new UserError(
          "%s puts tensor %s into %s; expected the name of a .safetensors file in the same folder."
              .formatted(index, Names.quoted(tensor), Names.quoted(file)));
    }
    return file;
  }
}
