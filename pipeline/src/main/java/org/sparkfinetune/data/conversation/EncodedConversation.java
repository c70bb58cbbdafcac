package org.sparkfinetune.data.conversation;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import org.apache.commons.codec.digest.DigestUtils;
import org.sparkfinetune.data.conversation.Conversation.Extras;
import org.sparkfinetune.data.conversation.Conversation.Message;
import org.sparkfinetune.data.conversation.Conversation.Role;
import org.sparkfinetune.data.conversation.Conversation.TemplateInputs;

/**
 * A conversation as bytes, for shuffles and hashes: for each message the role's ordinal (1 byte),
 * the content's length in bytes (4, big-endian) and the content in UTF-8. Where a message has
 * extras, the bit {@link #HAS_EXTRAS} is set in its first byte, and they follow as JSON with its
 * length before it. The tools of a conversation come first, under the byte {@link #TOOLS}, then its
 * documents under {@link #DOCUMENTS}, and the other side of a preference under {@link #REJECTED}.
 * Spark's nested rows cost several times as much.
 *
 * @param bytes not copied; nobody changes them
 */
// A copy each of what is made a million times would show, and nothing compares two of these.
@SuppressWarnings("ArrayRecordComponent")
public record EncodedConversation(byte[] bytes) {
  /** Of a digest, in a name. */
  public static final int NAME_BYTES = 10;

  private static final Role[] ROLES = Role.values();
  private static final int HEADER = 1 + Integer.BYTES;
  private static final byte HAS_EXTRAS = 0x40;
  private static final byte TOOLS = 0x7f;
  private static final byte DOCUMENTS = 0x7e;
  private static final byte REJECTED = 0x7d;

  /** Receives the messages in order; the content is {@code bytes[start, start + length)}. */
  public interface MessageVisitor<E extends Exception> {
    void message(Role role, byte[] bytes, int start, int length, Extras extras) throws E;
  }

  // The ordinal is read again by the same version of this class, and hashed: roles keep their
  // order.
  @SuppressWarnings("EnumOrdinal")
  public static EncodedConversation of(Conversation conversation) {
    List<Message> messages = conversation.messages();
    List<byte[]> parts = new ArrayList<>(2 * messages.size() + 1);
    byte[] kinds = new byte[messages.size()];
    byte[] tools = conversation.inputs().tools().getBytes(UTF_8);
    byte[] documents = conversation.inputs().documents().getBytes(UTF_8);
    byte[] rejected = conversation.rejected().getBytes(UTF_8);
    int size = sizeOf(tools) + sizeOf(documents) + sizeOf(rejected);
    for (int i = 0; i < messages.size(); i++) {
      Message message = messages.get(i);
      boolean more = !message.extras().isNone();
      kinds[i] = (byte) (message.role().ordinal() | (more ? HAS_EXTRAS : 0));
      byte[] content = message.content().getBytes(UTF_8);
      parts.add(content);
      size += HEADER + content.length;
      if (more) {
        byte[] extras = MessageJson.bytes(message.extras());
        parts.add(extras);
        size += Integer.BYTES + extras.length;
      }
    }
    ByteBuffer buffer = ByteBuffer.allocate(size);
    put(buffer, TOOLS, tools);
    put(buffer, DOCUMENTS, documents);
    put(buffer, REJECTED, rejected);
    int part = 0;
    for (byte kind : kinds) {
      byte[] content = parts.get(part++);
      buffer.put(kind).putInt(content.length).put(content);
      if ((kind & HAS_EXTRAS) != 0) {
        byte[] extras = parts.get(part++);
        buffer.putInt(extras.length).put(extras);
      }
    }
    return new EncodedConversation(buffer.array());
  }

  private static int sizeOf(byte[] input) {
    return input.length == 0 ? 0 : HEADER + input.length;
  }

  private static void put(ByteBuffer buffer, byte kind, byte[] input) {
    if (input.length > 0) {
      buffer.put(kind).putInt(input.length).put(input);
    }
  }

  public <E extends Exception> void forEach(MessageVisitor<E> visitor) throws E {
    ByteBuffer buffer = ByteBuffer.wrap(bytes);
    for (int at = end(REJECTED, end(DOCUMENTS, end(TOOLS, 0))); at < bytes.length; ) {
      int start = at + HEADER;
      int length = buffer.getInt(at + 1);
      int end = start + length;
      Extras extras = Extras.NONE;
      int kind = bytes[at];
      if ((kind & HAS_EXTRAS) != 0) {
        int more = buffer.getInt(end);
        extras = MessageJson.read(bytes, end + Integer.BYTES, more);
        end += Integer.BYTES + more;
      }
      visitor.message(ROLES[kind & ~HAS_EXTRAS], bytes, start, length, extras);
      at = end;
    }
  }

  /** Where the input ends that may begin at {@code start}; there, if none of this kind does. */
  private int end(byte kind, int start) {
    boolean there = start < bytes.length && bytes[start] == kind;
    return there ? start + HEADER + ByteBuffer.wrap(bytes).getInt(start + 1) : start;
  }

  private String input(int start, int end) {
    return start == end ? "" : new String(bytes, start + HEADER, end - start - HEADER, UTF_8);
  }

  /** {@link Conversation#inputs}. */
  public TemplateInputs inputs() {
    int tools = end(TOOLS, 0);
    int documents = end(DOCUMENTS, tools);
    return documents == 0
        ? TemplateInputs.NONE
        : new TemplateInputs(input(0, tools), input(tools, documents));
  }

  /** {@link Conversation#rejected}. */
  public String rejected() {
    int start = end(DOCUMENTS, end(TOOLS, 0));
    return input(start, end(REJECTED, start));
  }

  public Conversation conversation() {
    List<Message> messages = new ArrayList<>();
    forEach(
        (role, from, start, length, extras) ->
            messages.add(new Message(role, new String(from, start, length, UTF_8), extras)));
    return new Conversation(messages, inputs(), rejected());
  }

  /**
   * A number of the conversation, the same in every process: {@code hashCode} of what holds an enum
   * is not.
   */
  public static long number(Conversation conversation) {
    return ByteBuffer.wrap(of(conversation).digest()).getLong();
  }

  /** SHA-256 of the bytes: depends on what was said alone. */
  public byte[] digest() {
    return DigestUtils.sha256(bytes);
  }

  /**
   * What a conversation is called by: the beginning of its digest, so that it keeps its name over
   * seeds, splits and sources. An id is a name, with the number of the copy behind it where a data
   * set has a text several times.
   */
  public static String name(byte[] digest) {
    return name(digest, 0);
  }

  /** The name whose {@link #NAME_BYTES} begin at {@code from}. */
  public static String name(byte[] bytes, int from) {
    return HexFormat.of().formatHex(bytes, from, from + NAME_BYTES);
  }
}
