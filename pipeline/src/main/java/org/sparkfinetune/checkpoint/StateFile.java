package org.sparkfinetune.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.sparkfinetune.safetensors.DType;
import org.sparkfinetune.safetensors.SafetensorsWriter;
import org.sparkfinetune.safetensors.TensorSpec;

/**
 * One rank's file of a checkpoint as the manifest lists it.
 *
 * @param name within the checkpoint's folder
 * @param bytes of the whole file
 * @param crc32c of the whole file
 */
public record StateFile(String name, long bytes, long crc32c) {

  /**
   * A flat piece of state.
   *
   * @param name the same on every rank
   * @param values float32, little endian, from position to limit, one buffer behind the other; of
   *     the same length on every rank
   */
  public record Part(String name, List<ByteBuffer> values) {
    public Part {
      values = List.copyOf(values);
    }

    private long elements() {
      return values.stream().mapToLong(ByteBuffer::remaining).sum() / Float.BYTES;
    }
  }

  static String name(int rank, int worldSize) {
    return "rank-%05d-of-%05d.safetensors".formatted(rank, worldSize);
  }

  /**
   * Writes a rank's parts; the file appears under its name as a whole.
   *
   * @param folder where the checkpoint is being written
   */
  public static StateFile write(
      Path folder, Configuration hadoop, int rank, int worldSize, List<Part> parts) {
    String name = name(rank, worldSize);
    List<TensorSpec> specs = new ArrayList<>();
    for (Part part : parts) {
      specs.add(new TensorSpec(part.name(), DType.F32, new long[] {part.elements()}));
    }
    try (SafetensorsWriter writer =
        SafetensorsWriter.create(new Path(folder, name), hadoop, Map.of(), specs)) {
      parts.forEach(part -> part.values().forEach(values -> writer.write(values.duplicate())));
      writer.commit();
      return new StateFile(name, writer.fileBytes(), writer.crc32c());
    }
  }

  void addTo(ObjectNode node) {
    node.put("name", name).put("bytes", bytes).put("crc32c", crc32c);
  }

  static StateFile of(JsonNode node) {
    return new StateFile(
        node.path("name").asText(), node.path("bytes").asLong(-1), node.path("crc32c").asLong(-1));
  }
}
