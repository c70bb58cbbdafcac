package org.sparkfinetune.spark.prepare;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.text.Normalizer;
import java.util.Arrays;
import java.util.Locale;
import org.apache.commons.codec.digest.DigestUtils;
import org.sparkfinetune.data.conversation.Conversation;
import org.sparkfinetune.data.conversation.Conversation.Message;

/**
 * Turns conversations into what travels through the shuffle: their bytes (see {@link Sample}) and a
 * hash of the seed and their text. The hash is taken of the normalised text, in which case, width
 * and runs of white space make no difference: so the repeats of a row, near ones too, lie next to
 * each other in the shuffled order, whatever the seed. Not thread-safe: it reuses its buffers.
 */
final class SampleCoder {
  private final MessageDigest sha256 = DigestUtils.getSha256Digest();
  private final byte[] seed;
  private byte[] body = new byte[4096];
  private int bodyLength;
  private byte[] normalised = new byte[4096];
  private int normalisedLength;
  private long order;
  private long group;

  SampleCoder(long seed) {
    this.seed = ByteBuffer.allocate(Long.BYTES).putLong(seed).array();
  }

  void encode(Conversation conversation) {
    bodyLength = 0;
    normalisedLength = 0;
    for (Message message : conversation.messages()) {
      byte role = Sample.code(message.role());
      byte[] content = message.content().getBytes(UTF_8);
      appendMessage(role, content);
      appendNormalised(role, message.content(), content);
    }
    sha256.update(seed);
    sha256.update(normalised, 0, normalisedLength);
    ByteBuffer hash = ByteBuffer.wrap(sha256.digest());
    order = hash.getLong();
    group = hash.getLong();
  }

  /** Where the conversation stands in the shuffled order: ascending, signed. */
  long order() {
    return order;
  }

  /** With {@link #order}, the identity of the normalised text: 128 bits. */
  long group() {
    return group;
  }

  byte[] body() {
    return Arrays.copyOf(body, bodyLength);
  }

  private void appendMessage(byte role, byte[] content) {
    body = ensure(body, bodyLength + 5 + content.length);
    body[bodyLength] = role;
    ByteBuffer.wrap(body).putInt(bodyLength + 1, content.length);
    System.arraycopy(content, 0, body, bodyLength + 5, content.length);
    bodyLength += 5 + content.length;
  }

  private void appendNormalised(byte role, String text, byte[] utf8) {
    // One byte a character: nothing but ASCII in it.
    boolean ascii = utf8.length == text.length();
    byte[] plain =
        ascii
            ? utf8
            : Normalizer.normalize(text, Normalizer.Form.NFKC)
                .toLowerCase(Locale.ROOT)
                .getBytes(UTF_8);
    normalised = ensure(normalised, normalisedLength + plain.length + 1);
    byte[] out = normalised;
    int at = normalisedLength;
    out[at++] = role;
    int first = at;
    boolean space = false;
    for (byte b : plain) {
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
    normalisedLength = at;
  }

  private static byte[] ensure(byte[] bytes, int length) {
    return bytes.length >= length
        ? bytes
        : Arrays.copyOf(bytes, Math.max(length, bytes.length * 2));
  }
}
