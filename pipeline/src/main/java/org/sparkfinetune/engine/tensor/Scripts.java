package org.sparkfinetune.engine.tensor;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.sparkfinetune.engine.tensor.Processor.CpuAttention;
import org.sparkfinetune.engine.tensor.Torch.Determinism;
import org.sparkfinetune.errors.Bug;

/**
 * Wraps the text of {@code scripts.py} and {@code streams.py} into the archive that libtorch loads:
 * a zip of stored entries with two constant pickles, as {@code torch.jit.save} lays it out.
 */
final class Scripts {
  private static final byte[] CONSTANTS = {(byte) 0x80, 0x02, 0x29, 0x2E};

  private Scripts() {}

  /** All operators. */
  static InputStream operators(CpuAttention attention, Determinism determinism) {
    return archive(
        "scripts.py",
        "Ops",
        Map.of(
            "blocks",
            attention == CpuAttention.BLOCKS,
            "deterministic",
            determinism == Determinism.SAME_BITS));
  }

  /** Streams and events, for a libtorch with CUDA. */
  static InputStream streams() {
    return archive("streams.py", "Streams", Map.of());
  }

  private static InputStream archive(
      String resource, String className, Map<String, Boolean> attributes) {
    try (InputStream text = Scripts.class.getResourceAsStream(resource)) {
      if (text == null) {
        throw new Bug(resource + " is missing beside " + Scripts.class.getName() + ".");
      }
      ByteArrayOutputStream bytes = new ByteArrayOutputStream();
      try (ZipOutputStream zip = new ZipOutputStream(bytes)) {
        store(zip, "ops/version", "10\n".getBytes(StandardCharsets.US_ASCII));
        store(zip, "ops/data.pkl", data(className, attributes));
        store(zip, "ops/constants.pkl", CONSTANTS);
        store(zip, "ops/code/__torch__.py", text.readAllBytes());
      }
      return new ByteArrayInputStream(bytes.toByteArray());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** The pickle of an object with its attributes. */
  private static byte[] data(String className, Map<String, Boolean> attributes) throws IOException {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    out.write(new byte[] {(byte) 0x80, 0x02});
    out.write("c__torch__\n%s\n".formatted(className).getBytes(StandardCharsets.US_ASCII));
    out.write(new byte[] {0x29, (byte) 0x81, 0x7D, 0x28});
    attribute(out, "training", false);
    for (Map.Entry<String, Boolean> attribute : attributes.entrySet()) {
      attribute(out, attribute.getKey(), attribute.getValue());
    }
    out.write(new byte[] {0x75, 0x62, 0x2E});
    return out.toByteArray();
  }

  private static void attribute(ByteArrayOutputStream out, String name, boolean value)
      throws IOException {
    out.write(new byte[] {0x58, (byte) name.length(), 0, 0, 0});
    out.write(name.getBytes(StandardCharsets.US_ASCII));
    out.write(value ? 0x88 : 0x89);
  }

  private static void store(ZipOutputStream zip, String name, byte[] content) throws IOException {
    CRC32 crc = new CRC32();
    crc.update(content);
    ZipEntry entry = new ZipEntry(name);
    entry.setMethod(ZipEntry.STORED);
    entry.setSize(content.length);
    entry.setCrc(crc.getValue());
    zip.putNextEntry(entry);
    zip.write(content);
    zip.closeEntry();
  }
}
