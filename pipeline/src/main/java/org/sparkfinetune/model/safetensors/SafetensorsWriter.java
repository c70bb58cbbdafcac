package org.sparkfinetune.model.safetensors;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.zip.CRC32C;
import org.apache.hadoop.fs.Path;
import org.sparkfinetune.errors.Bug;
import org.sparkfinetune.store.AtomicFile;
import org.sparkfinetune.store.Store;

/**
 * Writes one file as a stream: the tensors are declared first, then their bytes follow in the same
 * order, in pieces of any size. The file appears under its name by {@link #commit}; without it,
 * {@link #close} leaves nothing behind. Equal declarations and bytes give equal files.
 */
public final class SafetensorsWriter implements AutoCloseable {
  private static final int ALIGNMENT = 8;
  private static final JsonFactory JSON = new JsonFactory();

  private final AtomicFile file;
  private final String target;
  private final long headerBytes;
  private final long dataBytes;
  private final CRC32C crc = new CRC32C();
  private long written;

  private SafetensorsWriter(AtomicFile file, String target, ByteBuffer header, long dataBytes) {
    this.file = file;
    this.target = target;
    this.headerBytes = header.remaining();
    this.dataBytes = dataBytes;
    crc.update(header.duplicate());
  }

  /**
   * Begins a file.
   *
   * @param metadata the header's {@code __metadata__}, left out if empty; Hugging Face's readers
   *     want {@code format: pt}
   * @param tensors in the order of their bytes ({@link TensorSpec#inReferenceOrder} for that of the
   *     reference library)
   */
  public static SafetensorsWriter create(
      Path target, Store store, Map<String, String> metadata, List<TensorSpec> tensors) {
    ByteBuffer header = header(metadata, tensors);
    AtomicFile file = store.create(target);
    long dataBytes = tensors.stream().mapToLong(TensorSpec::byteCount).sum();
    SafetensorsWriter writer = new SafetensorsWriter(file, target.toString(), header, dataBytes);
    try {
      file.write(header);
    } catch (RuntimeException e) {
      file.close();
      throw e;
    }
    return writer;
  }

  /** The next bytes of the data, from the buffer's position to its limit; little endian. */
  public void write(ByteBuffer bytes) {
    written += bytes.remaining();
    if (written > dataBytes) {
      throw new Bug(
          "%s bytes were given for %s, whose tensors have %s."
              .formatted(written, target, dataBytes));
    }
    crc.update(bytes.duplicate());
    file.write(bytes);
  }

  /** Bytes of the whole file, header included. */
  public long fileBytes() {
    return headerBytes + dataBytes;
  }

  /** CRC-32C of all bytes so far, header included. */
  public long crc32c() {
    return crc.getValue();
  }

  /** Makes the file visible under its name, in place of an older one. */
  public void commit() {
    if (written != dataBytes) {
      throw new Bug(
          "%s bytes were given for %s, whose tensors have %s."
              .formatted(written, target, dataBytes));
    }
    file.commit();
  }

  @Override
  public void close() {
    file.close();
  }

  private static ByteBuffer header(Map<String, String> metadata, List<TensorSpec> tensors) {
    byte[] json = json(metadata, tensors);
    int padded = -Math.floorDiv(-json.length, ALIGNMENT) * ALIGNMENT;
    if (padded > Header.MAX_BYTES) {
      throw new Bug(tensors.size() + " tensors need a header of " + padded + " bytes.");
    }
    ByteBuffer header = ByteBuffer.allocate(Header.PREFIX + padded).order(ByteOrder.LITTLE_ENDIAN);
    header.putLong(padded).put(json);
    while (header.hasRemaining()) {
      header.put((byte) ' ');
    }
    return header.flip();
  }

  private static byte[] json(Map<String, String> metadata, List<TensorSpec> tensors) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (JsonGenerator json = JSON.createGenerator(bytes)) {
      json.writeStartObject();
      if (!metadata.isEmpty()) {
        json.writeObjectFieldStart(Header.METADATA);
        for (Map.Entry<String, String> entry : metadata.entrySet()) {
          json.writeStringField(entry.getKey(), entry.getValue());
        }
        json.writeEndObject();
      }
      Set<String> names = new HashSet<>(Set.of(Header.METADATA));
      long at = 0;
      for (TensorSpec tensor : tensors) {
        if (!names.add(tensor.name())) {
          throw new Bug("A tensor called " + tensor.name() + " was declared twice.");
        }
        long end = at + tensor.byteCount();
        entry(json, tensor, at, end);
        at = end;
      }
      json.writeEndObject();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return bytes.toByteArray();
  }

  private static void entry(JsonGenerator json, TensorSpec tensor, long begin, long end)
      throws IOException {
    json.writeObjectFieldStart(tensor.name());
    json.writeStringField("dtype", tensor.dtype().name());
    json.writeFieldName("shape");
    json.writeArray(tensor.shape(), 0, tensor.shape().length);
    json.writeFieldName("data_offsets");
    json.writeArray(new long[] {begin, end}, 0, 2);
    json.writeEndObject();
  }
}
