package org.sparkfinetune.inference.generate;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.sparkfinetune.model.family.DecoderConfig;
import org.sparkfinetune.model.family.LayerAttention.Rope;

/**
 * What {@link Generator} asks of a model: passes for the next tokens of some sequences, each with
 * keys and values of its own. A pass takes prompts of different lengths and single new tokens
 * together; its columns are the tokens of its inputs, one input behind the other.
 */
interface Decoder extends AutoCloseable {

  DecoderConfig config();

  /** The most columns of a pass; more make it no faster. */
  int columns();

  /**
   * Whether keys and values of these sequences have room together.
   *
   * @param limits the most tokens of each
   */
  boolean hasRoom(int[] limits);

  /** A sequence of which nothing has been read. */
  Sequence begin();

  /** Keys and values of a sequence; a decoder takes those that it began itself. */
  interface Sequence extends AutoCloseable {

    /** Positions that have been read. */
    int length();

    /** Forgets what has been read behind the first positions. */
    void rewind(int positions);

    /** Takes over the first positions of another, in the place of its own. */
    void beginAs(Sequence other, int positions);

    /** Nothing more will be read; its room goes to others. */
    @Override
    void close();
  }

  /**
   * Tokens that follow what a sequence has read.
   *
   * @param tokens at least one
   * @param length of the sequence, as far as it is known
   */
  @SuppressWarnings("ArrayRecordComponent")
  record Input(Sequence sequence, int[] tokens, int length) {}

  /** Reads the inputs; the logits after the last token of each, (inputs, vocabulary). */
  float[] lastLogits(List<Input> inputs);

  /**
   * Reads an input.
   *
   * @param places of some of its tokens, ascending
   * @param next what comes after each of them
   * @return minus the log-probability of each {@code next}
   */
  double[] losses(Input input, int[] places, int[] next);

  @Override
  void close();

  /** A token of a pass. */
  record Column(Sequence sequence, int token, int position, int length) {

    static List<Column> of(List<Input> inputs) {
      List<Column> columns = new ArrayList<>();
      for (Input input : inputs) {
        for (int i = 0; i < input.tokens().length; i++) {
          columns.add(
              new Column(
                  input.sequence(),
                  input.tokens()[i],
                  input.sequence().length() + i,
                  input.length()));
        }
      }
      return columns;
    }

    /** The column of each input's last token. */
    static int[] last(List<Input> inputs) {
      int[] last = new int[inputs.size()];
      int end = 0;
      for (int i = 0; i < last.length; i++) {
        end += inputs.get(i).tokens().length;
        last[i] = end - 1;
      }
      return last;
    }

    /** Cosines, then sines, of each column's position: (n, 2, E/2); empty without positions. */
    static float[] rotation(List<Column> columns, Optional<Rope> rope) {
      if (rope.isEmpty()) {
        return new float[0];
      }
      int half = rope.get().dimensions() / 2;
      float factor = (float) rope.get().scaling().attentionFactor();
      float[] rotation = new float[columns.size() * 2 * half];
      Map<Integer, float[]> frequencies = new HashMap<>();
      for (int t = 0; t < columns.size(); t++) {
        Column column = columns.get(t);
        float[] own =
            frequencies.computeIfAbsent(
                rope.get().scaling().regime(column.length()),
                regime -> rope.get().frequencies(column.length()));
        for (int i = 0; i < half; i++) {
          float angle = column.position() * own[i];
          rotation[t * 2 * half + i] = (float) Math.cos(angle) * factor;
          rotation[t * 2 * half + half + i] = (float) Math.sin(angle) * factor;
        }
      }
      return rotation;
    }
  }
}
