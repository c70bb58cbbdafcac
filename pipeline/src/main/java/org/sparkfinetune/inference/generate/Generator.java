package org.sparkfinetune.inference.generate;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.inference.generate.Running.Beginning;

/**
 * Continues prompts, some at a time: where one ends the next takes its place. A prompt that begins
 * as another that is being continued takes over its keys and values. What a prompt is continued
 * with depends on none of this, nor on how many are continued together; where it is but one and the
 * model too large to stay decoded, sums are rounded otherwise. One thread at a time may use it.
 */
public final class Generator implements AutoCloseable {
  private final Decoder decoder;
  private final int maxBatch;
  private long tokensRead;

  /**
   * On the processor, by vectors alone.
   *
   * @see #Generator(DecodingModel, Optional, int, int)
   */
  public Generator(DecodingModel model, int threads, int maxBatch) {
    this(model, Optional.empty(), threads, maxBatch);
  }

  /**
   * On the processor.
   *
   * @param packed the model's, if the layers' products are libtorch's; stays the caller's
   * @param threads that decode together
   * @param maxBatch sequences that are decoded together; fewer where keys and values of so many
   *     would not fit the heap
   */
  public Generator(DecodingModel model, Optional<PackedWeights> packed, int threads, int maxBatch) {
    this(new VectorDecoder(model, packed, threads, maxBatch == 1 && packed.isEmpty()), maxBatch);
  }

  /**
   * On the model's device.
   *
   * @param maxBatch sequences that are decoded together; fewer where keys and values of so many
   *     would not fit the device
   */
  public Generator(DeviceModel model, int maxBatch) {
    this(new OperatorDecoder(model), maxBatch);
  }

  private Generator(Decoder decoder, int maxBatch) {
    this.decoder = decoder;
    this.maxBatch = maxBatch;
  }

  /** Whether there is room for one more, however long it becomes. */
  private boolean hasRoom(List<Running> running, Prompt prompt, GenerationSettings settings) {
    IntStream rooms = running.stream().mapToInt(one -> one.room);
    return running.isEmpty()
        || decoder.hasRoom(IntStream.concat(rooms, IntStream.of(room(prompt, settings))).toArray());
  }

  /**
   * Continues all prompts.
   *
   * @return in the order of the prompts
   * @throws UserError if a prompt is empty, longer than the model's context, or has an unknown id
   */
  public List<Generated> run(
      List<Prompt> prompts, GenerationSettings settings, TokenListener listener) {
    @Nullable Generated[] results = new Generated[prompts.size()];
    List<Running> running = new ArrayList<>();
    try {
      int next = 0;
      while (next < prompts.size() || !running.isEmpty()) {
        while (next < prompts.size()
            && running.size() < maxBatch
            && hasRoom(running, prompts.get(next), settings)) {
          Running one = start(next, prompts.get(next), settings);
          running.add(one);
          measure(prompts.get(next).texts(), one, running);
          next++;
        }
        step(running, settings, listener, results, prompts);
      }
    } finally {
      running.forEach(one -> one.sequence.close());
    }
    List<Generated> all = new ArrayList<>();
    for (Generated result : results) {
      if (result != null) {
        all.add(result);
      }
    }
    return all;
  }

  /** Tokens of prompts, answers and texts that went through the model so far. */
  long tokensRead() {
    return tokensRead;
  }

  private Running start(int index, Prompt prompt, GenerationSettings settings) {
    int context = decoder.config().contextLength();
    int length = prompt.ids().length;
    if (length == 0) {
      throw new UserError("A prompt has no tokens. Does the chat template give any text for it?");
    }
    if (length >= context) {
      throw new UserError(
          "A prompt has %s tokens, but the model's context (max_position_embeddings) is %s."
              .formatted(length, context));
    }
    for (int id : prompt.ids()) {
      if (id < 0 || id >= decoder.config().vocabSize()) {
        throw new UserError(
            "A prompt has the token id %s, but the model's vocab_size is %s. Is it the tokenizer of another model?"
                .formatted(id, decoder.config().vocabSize()));
      }
    }
    return new Running(
        index,
        prompt.ids().clone(),
        decoder.config(),
        decoder.begin(),
        new Sampler(settings, prompt.sequence(), prompt.ids()),
        limit(prompt, settings),
        room(prompt, settings));
  }

  /**
   * Losses of texts; what the prompt has in common with the last is read by that. Of what a text
   * has in common with a running sequence only the losses are missing, so before them it is taken
   * over.
   */
  private void measure(List<Text> texts, Running one, List<Running> running) {
    for (Text text : texts) {
      int[] ids = text.ids();
      int unmeasured = 0;
      while (unmeasured + 1 < ids.length && !text.wanted()[unmeasured + 1]) {
        unmeasured++;
      }
      one.sequence.rewind(0);
      one.beginning(ids, unmeasured, ids.length, running)
          .filter(Beginning::isRead)
          .ifPresent(
              beginning -> one.sequence.beginAs(beginning.of().sequence, beginning.tokens()));
      one.losses.add(losses(one.sequence, ids, text.wanted()));
      one.keepWhatBegins(ids);
    }
  }

  /** The most tokens of a sequence. */
  private int limit(Prompt prompt, GenerationSettings settings) {
    long wanted = (long) prompt.ids().length + settings.maxNewTokens();
    return (int) Math.min(decoder.config().contextLength(), wanted);
  }

  private int room(Prompt prompt, GenerationSettings settings) {
    IntStream texts = prompt.texts().stream().mapToInt(text -> text.ids().length);
    return Math.max(limit(prompt, settings), texts.max().orElse(0));
  }

  /** One pass: every sequence that has read its prompt gets a token, the others read on. */
  private void step(
      List<Running> running,
      GenerationSettings settings,
      TokenListener listener,
      @Nullable Generated[] results,
      List<Prompt> prompts) {
    List<Decoder.Input> inputs = new ArrayList<>();
    List<Running> served = new ArrayList<>();
    int columns = 0;
    for (Running one : running) {
      one.readOn();
      boolean waits = one.read == 0 && waitsForBeginning(one, running);
      int[] tokens = waits ? new int[0] : one.unread(decoder.columns() - columns);
      if (tokens.length > 0) {
        inputs.add(new Decoder.Input(one.sequence, tokens, one.length));
        served.add(one);
        columns += tokens.length;
      }
    }
    tokensRead += columns;
    float[] logits = decoder.lastLogits(inputs);
    int vocabulary = decoder.config().vocabSize();
    for (int i = 0; i < served.size(); i++) {
      Running one = served.get(i);
      one.read += inputs.get(i).tokens().length;
      if (one.read == one.length) {
        int token = one.sampler.next(logits, i * vocabulary, vocabulary);
        boolean ended = accept(one, token, settings, listener);
        if (ended || one.length >= one.limit) {
          int[] made =
              Arrays.copyOfRange(one.ids, prompts.get(one.prompt).ids().length, one.length);
          results[one.prompt] =
              new Generated(
                  made, ended ? Generated.Finish.STOP : Generated.Finish.LENGTH, one.losses);
          running.remove(one);
          one.sequence.close();
          listener.ended(one.prompt);
        }
      }
    }
  }

  /**
   * Lets a sequence that has read nothing take over what one before it has read of their common
   * beginning.
   *
   * @return whether the other has not read it yet
   */
  private boolean waitsForBeginning(Running one, List<Running> running) {
    Optional<Beginning> alike = one.beginning(one.ids, one.length - 1, one.length, running);
    alike
        .filter(Beginning::isRead)
        .ifPresent(
            beginning -> {
              one.sequence.beginAs(beginning.of().sequence, beginning.tokens());
              one.read = beginning.tokens();
            });
    return alike.isPresent() && one.read == 0;
  }

  private static boolean accept(
      Running one, int token, GenerationSettings settings, TokenListener listener) {
    if (settings.stopIds().contains(token)) {
      return true;
    }
    one.add(token);
    return listener.token(one.prompt, token) == TokenListener.Then.STOP;
  }

  /** The loss of each token of a text. */
  public double[] losses(int[] ids) {
    boolean[] all = new boolean[ids.length];
    Arrays.fill(all, true);
    return losses(ids, all);
  }

  /**
   * The loss of a text: minus the log-probability of tokens after the first, given those before
   * them.
   *
   * @param wanted of which tokens
   * @return {@code [i]} belongs to {@code ids[i]}; {@code [0]} and those that are not wanted are 0
   */
  public double[] losses(int[] ids, boolean[] wanted) {
    try (Decoder.Sequence sequence = decoder.begin()) {
      return losses(sequence, ids, wanted);
    }
  }

  /** Of a text whose beginning the sequence may have read, up to the last that is wanted. */
  private double[] losses(Decoder.Sequence sequence, int[] ids, boolean[] wanted) {
    double[] losses = new double[ids.length];
    int last = ids.length - 1;
    while (last > 0 && !wanted[last]) {
      last--;
    }
    while (sequence.length() < last) {
      int first = sequence.length();
      int[] tokens = Arrays.copyOfRange(ids, first, Math.min(last, first + decoder.columns()));
      int[] places = IntStream.range(0, tokens.length).filter(i -> wanted[first + i + 1]).toArray();
      int[] next = Arrays.stream(places).map(place -> ids[first + place + 1]).toArray();
      double[] some = decoder.losses(new Decoder.Input(sequence, tokens, ids.length), places, next);
      tokensRead += tokens.length;
      for (int i = 0; i < places.length; i++) {
        losses[first + places[i] + 1] = some[i];
      }
    }
    return losses;
  }

  @Override
  public void close() {
    decoder.close();
  }

  /**
   * What a prompt was continued with.
   *
   * @param ids new tokens, without the one that ended them
   * @param losses of each of the prompt's texts, as {@link Generator#losses} gives them
   */
  @SuppressWarnings("ArrayRecordComponent")
  public record Generated(int[] ids, Finish finish, List<double[]> losses) {

    /** Why it ended. */
    public enum Finish {
      /** By a stop token or a stop string. */
      STOP,
      /** By {@code max_new_tokens}, or the end of the model's context. */
      LENGTH
    }
  }

  /**
   * Tokens to continue.
   *
   * @param sequence tells apart sequences of the same seed: its number in a file, a hash of its key
   * @param ids at least one
   * @param texts whose losses are wanted too; what they have in common with the prompt is read once
   */
  @SuppressWarnings("ArrayRecordComponent")
  public record Prompt(long sequence, int[] ids, List<Text> texts) {
    public Prompt {
      texts = List.copyOf(texts);
    }

    public Prompt(long sequence, int[] ids) {
      this(sequence, ids, List.of());
    }
  }

  /**
   * Tokens whose losses are wanted.
   *
   * @param wanted of which of them
   */
  @SuppressWarnings("ArrayRecordComponent")
  public record Text(int[] ids, boolean[] wanted) {}

  /** Sees tokens as they are made. */
  @FunctionalInterface
  public interface TokenListener {

    /** Whether a sequence goes on. */
    enum Then {
      CONTINUE,
      STOP
    }

    /**
     * A token of a sequence; those that end it are not shown.
     *
     * @param prompt index of the prompt
     */
    Then token(int prompt, int id);

    /** A sequence has all its tokens. */
    default void ended(int prompt) {}
  }
}
