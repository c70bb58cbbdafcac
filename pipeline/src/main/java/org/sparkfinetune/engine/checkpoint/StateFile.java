package org.sparkfinetune.engine.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.InputStream;
import java.io.Serializable;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.zip.CRC32C;
import org.apache.hadoop.fs.Path;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.model.safetensors.DType;
import org.sparkfinetune.model.safetensors.SafetensorsWriter;
import org.sparkfinetune.model.safetensors.TensorSpec;
import org.sparkfinetune.store.Store;

/**
 * One rank's file of a checkpoint as the manifest lists it.
 *
 * @param name within the checkpoint's folder
 * @param bytes of the whole file
 * @param crc32c of the whole file
 */
public record StateFile(String name, long bytes, long crc32c) implements Serializable {
  private static final int BUFFER = 1 << 20;

  /**
   * A flat piece of state.
   *
   * @param name the same on every rank
   * @param type of each value
   * @param values little endian, from position to limit, one buffer behind the other
   */
  public record Part(String name, DType type, List<ByteBuffer> values) {
    public Part {
      values = List.copyOf(values);
    }

    private long elements() {
      return values.stream().mapToLong(ByteBuffer::remaining).sum() / type.bytes();
    }
  }

  /**
   * Reads the whole file.
   *
   * @return what is wrong with it, in words that follow its name; empty if it is whole
   * @throws RunFailure if the store does not let it be read
   */
  public Optional<String> damage(Path checkpoint, Store files) {
    Path file = new Path(checkpoint, name);
    Optional<InputStream> stored = files.open(file);
    if (stored.isEmpty()) {
      return Optional.of("is missing");
    }
    CRC32C crc = new CRC32C();
    long length = 0;
    byte[] buffer = new byte[BUFFER];
    try (InputStream in = stored.get()) {
      for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) {
        crc.update(buffer, 0, n);
        length += n;
      }
    } catch (IOException e) {
      throw new RunFailure(file + " could not be read to its end: " + e.getMessage(), e);
    }
    if (length != bytes) {
      return Optional.of("has %s bytes instead of %s".formatted(length, bytes));
    }
    return crc.getValue() == crc32c
        ? Optional.empty()
        : Optional.of(
            String.format(
                Locale.ROOT, "has the checksum %08x instead of %08x", crc.getValue(), crc32c));
  }

  static String name(int rank, int worldSize) {
    return String.format(Locale.ROOT, "rank-%05d-of-%05d.safetensors", rank, worldSize);
  }

  /**
   * Writes a rank's parts; the file appears under its name as a whole.
   *
   * @param folder where the checkpoint is being written
   */
  public static StateFile write(
      Path folder, Store store, int rank, int worldSize, List<Part> parts) {
    String name = name(rank, worldSize);
    List<TensorSpec> specs = new ArrayList<>();
    for (Part part : parts) {
      specs.add(new TensorSpec(part.name(), part.type(), new long[] {part.elements()}));
    }
    try (SafetensorsWriter writer =
        SafetensorsWriter.create(new Path(folder, name), store, Map.of(), specs)) {
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
