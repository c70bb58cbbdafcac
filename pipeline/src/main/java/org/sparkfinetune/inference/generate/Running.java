package org.sparkfinetune.inference.generate;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.sparkfinetune.model.family.DecoderConfig;
import org.sparkfinetune.model.family.LayerAttention.Rope;

/** A prompt that {@link Generator} is continuing, and how much of it has been read. */
final class Running {
  /** Tokens from which on a common beginning is worth its copy. */
  private static final int SHARED = 16;

  final int prompt;
  final Decoder.Sequence sequence;
  final Sampler sampler;
  final int limit;
  final int room;
  final List<double[]> losses = new ArrayList<>();
  int[] ids;
  int read;
  int length;
  private final DecoderConfig config;
  private int lengthAtBeginning;
  private int lengthAtRead;

  /**
   * @param prompt its index
   * @param ids become this object's
   * @param limit the most tokens of prompt and answer
   * @param room the most tokens that its sequence ever has
   */
  Running(
      int prompt,
      int[] ids,
      DecoderConfig config,
      Decoder.Sequence sequence,
      Sampler sampler,
      int limit,
      int room) {
    this.prompt = prompt;
    this.ids = ids;
    this.length = ids.length;
    this.config = config;
    this.sequence = sequence;
    this.sampler = sampler;
    this.limit = limit;
    this.room = room;
  }

  /** What another has read, or is going to read, as well. */
  record Beginning(Running of, int tokens) {
    boolean isRead() {
      return of.read >= tokens;
    }
  }

  /**
   * The longest common beginning with one that runs before this and that is worth its copy.
   *
   * @param tokens this one's or a text's
   * @param most how many of them may be common
   * @param whole the length of what they belong to: positions are turned by it
   */
  Optional<Beginning> beginning(int[] tokens, int most, int whole, List<Running> running) {
    Optional<Beginning> longest = Optional.empty();
    int shared = SHARED - 1;
    for (Running other : running) {
      if (other == this) {
        break;
      }
      int common = other.beginsAs(tokens, most);
      if (common > shared && isReadAlike(other.lengthAtBeginning, whole)) {
        shared = common;
        longest = Optional.of(new Beginning(other, common));
      }
    }
    return longest;
  }

  /** How many of these tokens it begins with. */
  private int beginsAs(int[] tokens, int count) {
    int most = Math.min(count, length);
    int differs = Arrays.mismatch(ids, 0, most, tokens, 0, most);
    return differs < 0 ? most : differs;
  }

  /** The sequence has read a text: what the prompt has in common with it stays. */
  void keepWhatBegins(int[] text) {
    int most = Math.min(length - 1, sequence.length());
    read = isReadAlike(text.length, length) ? beginsAs(text, most) : 0;
    sequence.rewind(read);
    lengthAtBeginning = length;
    lengthAtRead = length;
  }

  /** Before each pass: begins again where what was read is no longer right. */
  void readOn() {
    if (read > 0 && ropes().anyMatch(rope -> rope.scaling().restarts(lengthAtRead, length))) {
      sequence.rewind(0);
      read = 0;
    }
    if (read == 0) {
      lengthAtBeginning = length;
    }
    lengthAtRead = length;
  }

  /** Whether a beginning is the same in sequences of these lengths. */
  private boolean isReadAlike(int some, int others) {
    return ropes().allMatch(rope -> rope.scaling().regime(some) == rope.scaling().regime(others));
  }

  private Stream<Rope> ropes() {
    return config.layers().stream().flatMap(layer -> layer.rope().stream());
  }

  int[] unread(int atMost) {
    return Arrays.copyOfRange(ids, read, Math.min(length, read + atMost));
  }

  void add(int token) {
    if (length == ids.length) {
      ids = Arrays.copyOf(ids, ids.length + 64);
    }
    ids[length++] = token;
  }
}
