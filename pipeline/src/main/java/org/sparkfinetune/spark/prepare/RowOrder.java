package org.sparkfinetune.spark.prepare;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.text.Normalizer;
import java.util.Arrays;
import java.util.Locale;
import org.apache.commons.codec.digest.DigestUtils;
import org.sparkfinetune.data.conversation.Conversation.Role;
import org.sparkfinetune.data.conversation.EncodedConversation;
import org.sparkfinetune.data.conversation.MessageJson;

/**
 * Where a conversation stands in the shuffled order: by a hash of the seed and of its normalised
 * text, in which case, width and runs of white space make no difference. So the repeats of a row,
 * near ones too, lie next to each other, whatever the seed. Not thread-safe: it reuses its buffer.
 */
final class RowOrder {
  private final MessageDigest sha256 = DigestUtils.getSha256Digest();
  private final byte[] seed;
  private byte[] normalised = new byte[4096];
  private int length;
  private long order;
  private long group;

  RowOrder(long seed) {
    this.seed = ByteBuffer.allocate(Long.BYTES).putLong(seed).array();
  }

  /** Sets {@link #order} and {@link #group}. */
  void of(EncodedConversation conversation) {
    length = 0;
    append(conversation.inputs().tools());
    append(conversation.inputs().documents());
    conversation.forEach(
        (role, bytes, start, count, extras) -> {
          append(role, bytes, start, count);
          if (!extras.isNone()) {
            append(MessageJson.extras(extras).toString());
          }
        });
    sha256.update(seed);
    sha256.update(normalised, 0, length);
    ByteBuffer hash = ByteBuffer.wrap(sha256.digest());
    order = hash.getLong();
    group = hash.getLong();
  }

  /** The position: ascending, signed. */
  long order() {
    return order;
  }

  /** With {@link #order}, the identity of the normalised text: 128 bits. */
  long group() {
    return group;
  }

  /** Calls and tools as they are: there case and width may make a difference. */
  private void append(String json) {
    if (!json.isEmpty()) {
      byte[] bytes = json.getBytes(UTF_8);
      normalised = Arrays.copyOf(normalised, Math.max(normalised.length, length + bytes.length));
      System.arraycopy(bytes, 0, normalised, length, bytes.length);
      length += bytes.length;
    }
  }

  @SuppressWarnings("EnumOrdinal") // As in the encoded conversation.
  private void append(Role role, byte[] bytes, int start, int count) {
    boolean ascii = true;
    for (int i = start; i < start + count && ascii; i++) {
      ascii = bytes[i] >= 0;
    }
    if (ascii) {
      appendNormalised((byte) role.ordinal(), bytes, start, start + count);
      return;
    }
    byte[] plain =
        Normalizer.normalize(new String(bytes, start, count, UTF_8), Normalizer.Form.NFKC)
            .toLowerCase(Locale.ROOT)
            .getBytes(UTF_8);
    appendNormalised((byte) role.ordinal(), plain, 0, plain.length);
  }

  private void appendNormalised(byte role, byte[] plain, int start, int end) {
    int needed = length + 1 + end - start;
    if (normalised.length < needed) {
      normalised = Arrays.copyOf(normalised, Math.max(needed, normalised.length * 2));
    }
    byte[] out = normalised;
    int at = length;
    out[at++] = role;
    int first = at;
    boolean space = false;
    for (int i = start; i < end; i++) {
      byte b = plain[i];
      if (b >= 0 && b <= ' ') {
        space = true;
      } else {
        if (space && at > first) {
          out[at++] = ' ';
        }
        space = false;
        out[at++] = b >= 'A' && b <= 'Z' ? (byte) (b + ('a' - 'A')) : b;
      }
    }
    length = at;
  }
}
