package org.sparkfinetune.data.tokenize;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.IntBuffer;
import org.sparkfinetune.data.tokenize.ConversationTokenizer.TokenizedSample;

/**
 * Ids and whether they are trained in one int each, as samples travel through the cluster: an id
 * that is trained as it is, any other as its complement. Little-endian bytes.
 */
public final class LabelledIds {
  private LabelledIds() {}

  public static byte[] encode(TokenizedSample sample) {
    ByteBuffer bytes =
        ByteBuffer.allocate(Integer.BYTES * sample.length()).order(ByteOrder.LITTLE_ENDIAN);
    for (int i = 0; i < sample.length(); i++) {
      bytes.putInt(sample.trained()[i] ? sample.ids()[i] : ~sample.ids()[i]);
    }
    return bytes.array();
  }

  static IntBuffer view(byte[] bytes) {
    return ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).asIntBuffer();
  }

  static int id(int labelled) {
    return labelled < 0 ? ~labelled : labelled;
  }

  static boolean isTrained(int labelled) {
    return labelled >= 0;
  }
}
