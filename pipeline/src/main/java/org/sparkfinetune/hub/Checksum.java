package org.sparkfinetune.hub;

import static java.nio.charset.StandardCharsets.US_ASCII;

import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import org.sparkfinetune.errors.Bug;

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
      case SHA256 -> digest("SHA-256");
      case GIT_BLOB -> {
        MessageDigest digest = digest("SHA-1");
        digest.update(("blob " + size + "\0").getBytes(US_ASCII));
        yield digest;
      }
    };
  }

  boolean fits(MessageDigest complete) {
    return HexFormat.of().formatHex(complete.digest()).equals(hex);
  }

  private static MessageDigest digest(String name) {
    try {
      return MessageDigest.getInstance(name);
    } catch (NoSuchAlgorithmException e) {
      throw new Bug("Every Java platform has " + name + ", but this one says it has not.", e);
    }
  }
}
