package org.sparkfinetune.engine.exchange;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.MessageDigest;
import java.security.SecureRandom;
import java.util.Arrays;
import java.util.HexFormat;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Random bytes in a file of their own beside a shard's first file, readable by its owner only. A
 * peer that reads there what it was told over the network sees this rank's file system, and does so
 * as the same user. Not in the shard file itself: that one is shared by later runs. Where the
 * folder cannot be written (a read-only model), the nonce lies in the temporary folder.
 *
 * @param file where it lies
 * @param bytes what it holds
 */
@SuppressWarnings("ArrayRecordComponent")
record Nonce(Path file, byte[] bytes) {
  private static final Logger LOG = LoggerFactory.getLogger(Nonce.class);
  static final int LENGTH = 32;

  static Nonce beside(Path shardFile) throws IOException {
    byte[] bytes = new byte[LENGTH];
    SecureRandom random = new SecureRandom();
    random.nextBytes(bytes);
    String name =
        "%s.%s.nonce"
            .formatted(shardFile.getFileName(), HexFormat.of().toHexDigits(random.nextLong()));
    try {
      return create(shardFile.toAbsolutePath().resolveSibling(name), bytes);
    } catch (IOException notWritable) {
      LOG.debug("No nonce beside {}: {}", shardFile, notWritable.toString());
      return create(Path.of(System.getProperty("java.io.tmpdir", "/tmp")).resolve(name), bytes);
    }
  }

  private static Nonce create(Path file, byte[] bytes) throws IOException {
    Files.createFile(
        file, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
    file.toFile().deleteOnExit();
    Files.write(file, bytes, StandardOpenOption.WRITE);
    return new Nonce(file, bytes);
  }

  /** Whether the file can be read here and holds the bytes. */
  boolean isFound() {
    try {
      return Files.size(file) == bytes.length
          && MessageDigest.isEqual(Files.readAllBytes(file), bytes);
    } catch (IOException | RuntimeException notHere) {
      return false;
    }
  }

  void delete() {
    try {
      Files.deleteIfExists(file);
    } catch (IOException e) {
      LOG.debug("Could not delete {}", file, e);
    }
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof Nonce nonce
        && file.equals(nonce.file)
        && Arrays.equals(bytes, nonce.bytes);
  }

  @Override
  public int hashCode() {
    return 31 * file.hashCode() + Arrays.hashCode(bytes);
  }

  @Override
  public String toString() {
    return "Nonce[" + file + "]";
  }
}
