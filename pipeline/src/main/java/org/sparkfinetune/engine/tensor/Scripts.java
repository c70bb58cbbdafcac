package org.sparkfinetune.engine.tensor;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.sparkfinetune.engine.tensor.Processor.CpuAttention;
import org.sparkfinetune.engine.tensor.Torch.Determinism;
import org.sparkfinetune.errors.Bug;

/**
 * Wraps the text of {@code scripts.py} into the archive that libtorch loads: a zip of stored
 * entries with two constant pickles, as {@code torch.jit.save} lays it out.
 */
final class Scripts {
  private static final byte[] CONSTANTS = {(byte) 0x80, 0x02, 0x29, 0x2E};

  private Scripts() {}

  static InputStream archive(CpuAttention attention, Determinism determinism) {
    try (InputStream text = Scripts.class.getResourceAsStream("scripts.py")) {
      if (text == null) {
        throw new Bug("scripts.py is missing beside " + Scripts.class.getName() + ".");
      }
      ByteArrayOutputStream bytes = new ByteArrayOutputStream();
      try (ZipOutputStream zip = new ZipOutputStream(bytes)) {
        store(zip, "ops/version", "10\n".getBytes(StandardCharsets.US_ASCII));
        store(zip, "ops/data.pkl", data(attention, determinism));
        store(zip, "ops/constants.pkl", CONSTANTS);
        store(zip, "ops/code/__torch__.py", text.readAllBytes());
      }
      return new ByteArrayInputStream(bytes.toByteArray());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** The pickle of an {@code Ops} object with its attributes. */
  private static byte[] data(CpuAttention attention, Determinism determinism) throws IOException {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    out.write(new byte[] {(byte) 0x80, 0x02});
    out.write("c__torch__\nOps\n".getBytes(StandardCharsets.US_ASCII));
    out.write(new byte[] {0x29, (byte) 0x81, 0x7D, 0x28});
    attribute(out, "training", false);
    attribute(out, "blocks", attention == CpuAttention.BLOCKS);
    attribute(out, "deterministic", determinism == Determinism.SAME_BITS);
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
