package org.sparkfinetune.data.tokenize;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.IntBuffer;
import org.sparkfinetune.data.tokenize.ConversationTokenizer.TokenizedSample;
import org.sparkfinetune.data.tokenize.PairTokenizer.TokenizedPair;

/**
 * A sample as it travels through the cluster: ids and whether they are trained in one int each, an
 * id that is trained as it is, any other as its complement. Little-endian bytes.
 *
 * @param length tokens that a row needs room for; of a pair those of its longer sequence
 * @param firstTrained see {@link TokenizedSample#firstTrained}
 * @param ids of a pair the chosen sequence, {@link #NEXT} and the rejected one
 */
// Made a million times, and nothing compares two of these.
@SuppressWarnings("ArrayRecordComponent")
public record LabelledIds(int length, int firstTrained, byte[] ids) {
  /** Between two sequences of a row. */
  static final int NEXT = Integer.MAX_VALUE;

  public static LabelledIds of(TokenizedSample sample) {
    ByteBuffer bytes = buffer(sample.length());
    put(bytes, sample);
    return new LabelledIds(sample.length(), sample.firstTrained(), bytes.array());
  }

  public static LabelledIds of(TokenizedPair pair) {
    ByteBuffer bytes = buffer(pair.chosen().length() + 1 + pair.rejected().length());
    put(bytes, pair.chosen());
    bytes.putInt(NEXT);
    put(bytes, pair.rejected());
    return new LabelledIds(pair.length(), pair.firstTrained(), bytes.array());
  }

  private static ByteBuffer buffer(int ints) {
    return ByteBuffer.allocate(Integer.BYTES * ints).order(ByteOrder.LITTLE_ENDIAN);
  }

  private static void put(ByteBuffer bytes, TokenizedSample sample) {
    for (int i = 0; i < sample.length(); i++) {
      bytes.putInt(sample.trained()[i] ? sample.ids()[i] : ~sample.ids()[i]);
    }
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
