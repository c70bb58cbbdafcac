package org.sparkfinetune.spark.dataset;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import org.sparkfinetune.data.conversation.Conversation;
import org.sparkfinetune.data.conversation.EncodedConversation;

/** Conversations as bytes between two stages: each with its length (4 bytes) before it. */
public final class ConversationCoder {
  private ConversationCoder() {}

  public static byte[] encode(List<Conversation> conversations) {
    List<EncodedConversation> encoded =
        conversations.stream().map(EncodedConversation::of).toList();
    int size = encoded.stream().mapToInt(one -> Integer.BYTES + one.bytes().length).sum();
    ByteBuffer buffer = ByteBuffer.allocate(size);
    encoded.forEach(one -> buffer.putInt(one.bytes().length).put(one.bytes()));
    return buffer.array();
  }

  public static List<Conversation> decode(byte[] bytes) {
    return encoded(bytes).stream().map(EncodedConversation::conversation).toList();
  }

  public static List<EncodedConversation> encoded(byte[] bytes) {
    List<EncodedConversation> encoded = new ArrayList<>();
    ByteBuffer buffer = ByteBuffer.wrap(bytes);
    while (buffer.hasRemaining()) {
      byte[] one = new byte[buffer.getInt()];
      buffer.get(one);
      encoded.add(new EncodedConversation(one));
    }
    return encoded;
  }
}
