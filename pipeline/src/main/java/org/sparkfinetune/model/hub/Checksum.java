package org.sparkfinetune.model.hub;

import static java.nio.charset.StandardCharsets.US_ASCII;

import java.security.MessageDigest;
import java.util.HexFormat;
import org.apache.commons.codec.digest.DigestUtils;

/**
 * What a file's bytes must hash to.
 *
 * @param hex lower case
 */
public record Checksum(Kind kind, String hex) {
  /** The hub knows large files by their SHA-256 and small ones as git does. */
  public enum Kind {
    SHA256,
    /** SHA-1 over {@code "blob " + size + "\0"} and the bytes. */
    GIT_BLOB
  }

  /** A digest that has yet to see the file's bytes, all of them and in order. */
  MessageDigest begin(long size) {
    return switch (kind) {
      case SHA256 -> DigestUtils.getSha256Digest();
      case GIT_BLOB -> {
        MessageDigest digest = DigestUtils.getSha1Digest();
        digest.update(("blob " + size + "\0").getBytes(US_ASCII));
        yield digest;
      }
    };
  }

  boolean fits(MessageDigest complete) {
    return HexFormat.of().formatHex(complete.digest()).equals(hex);
  }
}
