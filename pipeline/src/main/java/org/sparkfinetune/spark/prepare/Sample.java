package org.sparkfinetune.spark.prepare;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import org.apache.commons.codec.digest.DigestUtils;
import org.sparkfinetune.data.conversation.Conversation;
import org.sparkfinetune.data.conversation.Conversation.Message;
import org.sparkfinetune.data.conversation.Conversation.Role;

/**
 * A conversation as bytes: for each message the role's ordinal (1 byte), the content's length in
 * bytes (4, big-endian) and the content in UTF-8. JSON and Parquet are both written from it without
 * making a character of it.
 */
// A name for bytes on their way through a task, made a million times: a copy each would show.
@SuppressWarnings("ArrayRecordComponent")
record Sample(byte[] body) {
  private static final Role[] ROLES = Role.values();

  /** The byte that stands for a role between the two passes of one job; never stored. */
  @SuppressWarnings("EnumOrdinal")
  static byte code(Role role) {
    return (byte) role.ordinal();
  }

  /** Receives the messages in order; the content is {@code bytes[start, start + length)}. */
  interface MessageVisitor {
    void message(Role role, byte[] bytes, int start, int length);
  }

  void forEach(MessageVisitor visitor) {
    ByteBuffer buffer = ByteBuffer.wrap(body);
    for (int at = 0; at < body.length; ) {
      int length = buffer.getInt(at + 1);
      visitor.message(ROLES[body[at]], body, at + 5, length);
      at += 5 + length;
    }
  }

  Conversation conversation() {
    List<Message> messages = new ArrayList<>();
    forEach(
        (role, bytes, start, length) ->
            messages.add(new Message(role, new String(bytes, start, length, UTF_8))));
    return new Conversation(messages);
  }

  /** A name that follows from the text alone, so that it stays the same over seeds and splits. */
  String id() {
    return HexFormat.of().formatHex(DigestUtils.sha256(body), 0, 10);
  }
}
