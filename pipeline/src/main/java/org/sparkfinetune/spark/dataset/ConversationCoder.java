package org.sparkfinetune.spark.dataset;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.sparkfinetune.data.conversation.Conversation;
import org.sparkfinetune.data.conversation.Conversation.Message;
import org.sparkfinetune.data.conversation.Conversation.Role;

/** Conversations as bytes between two stages; Spark's nested rows cost several times as much. */
public final class ConversationCoder {
  private ConversationCoder() {}

  public static byte[] encode(List<Conversation> conversations) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream(1 << 16);
    try (DataOutputStream out = new DataOutputStream(bytes)) {
      out.writeInt(conversations.size());
      for (Conversation conversation : conversations) {
        out.writeInt(conversation.messages().size());
        for (Message message : conversation.messages()) {
          byte[] content = message.content().getBytes(StandardCharsets.UTF_8);
          out.writeByte(message.role().ordinal());
          out.writeInt(content.length);
          out.write(content);
        }
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return bytes.toByteArray();
  }

  public static List<Conversation> decode(byte[] bytes) {
    try (DataInputStream in = new DataInputStream(new ByteArrayInputStream(bytes))) {
      int count = in.readInt();
      List<Conversation> conversations = new ArrayList<>(count);
      for (int i = 0; i < count; i++) {
        conversations.add(conversation(in));
      }
      return conversations;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static Conversation conversation(DataInputStream in) throws IOException {
    int count = in.readInt();
    List<Message> messages = new ArrayList<>(count);
    for (int i = 0; i < count; i++) {
      Role role = Role.values()[in.readByte()];
      byte[] content = in.readNBytes(in.readInt());
      messages.add(new Message(role, new String(content, StandardCharsets.UTF_8)));
    }
    return new Conversation(messages);
  }
}
