package org.sparkfinetune.data.conversation;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import org.apache.commons.codec.digest.DigestUtils;
import org.sparkfinetune.data.conversation.Conversation.Message;
import org.sparkfinetune.data.conversation.Conversation.Role;

/**
 * A conversation as bytes, for shuffles and hashes: for each message the role's ordinal (1 byte),
 * the content's length in bytes (4, big-endian) and the content in UTF-8. Spark's nested rows cost
 * several times as much.
 *
 * @param bytes not copied; nobody changes them
 */
// A copy each of what is made a million times would show, and nothing compares two of these.
@SuppressWarnings("ArrayRecordComponent")
public record EncodedConversation(byte[] bytes) {
  private static final Role[] ROLES = Role.values();
  private static final int HEADER = 1 + Integer.BYTES;

  /** Receives the messages in order; the content is {@code bytes[start, start + length)}. */
  public interface MessageVisitor<E extends Exception> {
    void message(Role role, byte[] bytes, int start, int length) throws E;
  }

  // The ordinal is read again by the same version of this class, and hashed: roles keep their
  // order.
  @SuppressWarnings("EnumOrdinal")
  public static EncodedConversation of(Conversation conversation) {
    List<byte[]> contents = new ArrayList<>(conversation.messages().size());
    int size = 0;
    for (Message message : conversation.messages()) {
      byte[] content = message.content().getBytes(UTF_8);
      contents.add(content);
      size += HEADER + content.length;
    }
    ByteBuffer buffer = ByteBuffer.allocate(size);
    for (int i = 0; i < contents.size(); i++) {
      byte[] content = contents.get(i);
      buffer.put((byte) conversation.messages().get(i).role().ordinal());
      buffer.putInt(content.length).put(content);
    }
    return new EncodedConversation(buffer.array());
  }

  public <E extends Exception> void forEach(MessageVisitor<E> visitor) throws E {
    ByteBuffer buffer = ByteBuffer.wrap(bytes);
    for (int at = 0; at < bytes.length; ) {
      int length = buffer.getInt(at + 1);
      visitor.message(ROLES[bytes[at]], bytes, at + HEADER, length);
      at += HEADER + length;
    }
  }

  public Conversation conversation() {
    List<Message> messages = new ArrayList<>();
    forEach(
        (role, from, start, length) ->
            messages.add(new Message(role, new String(from, start, length, UTF_8))));
    return new Conversation(messages);
  }

  /** SHA-256 of the bytes: depends on roles and contents alone. */
  public byte[] digest() {
    return DigestUtils.sha256(bytes);
  }
}
