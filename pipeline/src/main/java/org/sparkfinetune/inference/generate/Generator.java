package org.sparkfinetune.inference.generate;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.sparkfinetune.errors.UserError;

/**
 * Continues prompts, some at a time: where one ends the next takes its place. One thread at a time
 * may use it.
 */
public final class Generator implements AutoCloseable {
  /** Columns of a pass; more fill no cache any better. */
  private static final int MAX_COLUMNS = 256;

  private final DecodingModel model;
  private final SpinningPool pool;
  private final Decoder decoder;
  private final int maxBatch;

  /**
   * @param threads that decode together
   * @param maxBatch sequences that are decoded together
   */
  public Generator(DecodingModel model, int threads, int maxBatch) {
    this.model = model;
    this.pool = new SpinningPool(threads);
    this.decoder = new Decoder(model, pool);
    this.maxBatch = maxBatch;
  }

  private boolean restarts(int before, int after) {
    return model.config().layers().stream()
        .flatMap(layer -> layer.rope().stream())
        .anyMatch(rope -> rope.scaling().restarts(before, after));
  }

  private static final class Running {
    final int prompt;
    KeyValueCache cache;
    final Sampler sampler;
    final int limit;
    int[] ids;
    int read;
    int lengthAtRead;
    int length;

    Running(int prompt, int[] ids, KeyValueCache cache, Sampler sampler, int limit) {
      this.prompt = prompt;
      this.ids = ids;
      this.length = ids.length;
      this.cache = cache;
      this.sampler = sampler;
      this.limit = limit;
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
    int next = 0;
    while (next < prompts.size() || !running.isEmpty()) {
      while (next < prompts.size() && running.size() < maxBatch) {
        running.add(start(next, prompts.get(next), settings));
        next++;
      }
      step(running, settings, listener, results, prompts);
    }
    List<Generated> all = new ArrayList<>();
    for (Generated result : results) {
      if (result != null) {
        all.add(result);
      }
    }
    return all;
  }

  private Running start(int index, Prompt prompt, GenerationSettings settings) {
    int context = model.config().contextLength();
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
      if (id < 0 || id >= model.config().vocabSize()) {
        throw new UserError(
            "A prompt has the token id %s, but the model's vocab_size is %s. Is it the tokenizer of another model?"
                .formatted(id, model.config().vocabSize()));
      }
    }
    return new Running(
        index,
        prompt.ids().clone(),
        new KeyValueCache(model.config()),
        new Sampler(settings, prompt.sequence(), prompt.ids()),
        Math.min(context, length + settings.maxNewTokens()));
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
      if (one.read > 0 && restarts(one.lengthAtRead, one.length)) {
        one.cache = new KeyValueCache(model.config());
        one.read = 0;
      }
      one.lengthAtRead = one.length;
      int[] tokens = one.unread(MAX_COLUMNS - columns);
      if (tokens.length > 0) {
        inputs.add(new Decoder.Input(one.cache, tokens, one.length));
        served.add(one);
        columns += tokens.length;
      }
    }
    float[] logits = decoder.lastLogits(inputs);
    int vocabulary = model.config().vocabSize();
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
              new Generated(made, ended ? Generated.Finish.STOP : Generated.Finish.LENGTH);
          running.remove(one);
          listener.ended(one.prompt);
        }
      }
    }
  }

  private static boolean accept(
      Running one, int token, GenerationSettings settings, TokenListener listener) {
    if (settings.stopIds().contains(token)) {
      return true;
    }
    one.add(token);
    return listener.token(one.prompt, token) == TokenListener.Then.STOP;
  }

  /**
   * The loss of a text: minus the log-probability of each token after the first, given those before
   * it.
   *
   * @return {@code [i]} belongs to {@code ids[i]}; {@code [0]} is 0
   */
  public double[] losses(int[] ids) {
    double[] losses = new double[ids.length];
    KeyValueCache cache = new KeyValueCache(model.config());
    int chunk = Math.max(1, Math.min(128, (1 << 24) / model.config().vocabSize()));
    for (int from = 0; from < ids.length - 1; from += chunk) {
      int to = Math.min(ids.length - 1, from + chunk);
      int[] tokens = Arrays.copyOfRange(ids, from, to);
      float[] hidden = decoder.hidden(List.of(new Decoder.Input(cache, tokens, ids.length)));
      float[] logits = decoder.head(hidden, tokens.length);
      for (int t = from; t < to; t++) {
        losses[t + 1] = loss(logits, (t - from) * model.config().vocabSize(), ids[t + 1]);
      }
    }
    return losses;
  }

  private double loss(float[] logits, int at, int target) {
    float max = Float.NEGATIVE_INFINITY;
    for (int i = 0; i < model.config().vocabSize(); i++) {
      max = Math.max(max, logits[at + i]);
    }
    double sum = 0;
    for (int i = 0; i < model.config().vocabSize(); i++) {
      sum += Math.exp(logits[at + i] - max);
    }
    return Math.log(sum) + max - logits[at + target];
  }

  @Override
  public void close() {
    pool.close();
  }

  /**
   * What a prompt was continued with.
   *
   * @param ids new tokens, without the one that ended them
   */
  @SuppressWarnings("ArrayRecordComponent")
  public record Generated(int[] ids, Finish finish) {

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
   */
  @SuppressWarnings("ArrayRecordComponent")
  public record Prompt(long sequence, int[] ids) {}

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
