package org.sparkfinetune.inference.generate;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.inference.generate.Kernels.FastestKernels;

/**
 * Continues prompts, some at a time: where one ends the next takes its place. A prompt that begins
 * as another that is being continued takes over its keys and values. What a prompt is continued
 * with depends on none of this, nor on how many are continued together; where it is but one, sums
 * are rounded otherwise. One thread at a time may use it.
 */
public final class Generator implements AutoCloseable {
  /** Columns of a pass; more fill no cache any better. */
  private static final int MAX_COLUMNS = 256;

  /** Logits that are computed at a time. */
  private static final int MAX_LOGITS = 1 << 24;

  /** Exponentials that are summed in float32. */
  private static final int SUMMED = 1024;

  /** Tokens from which on a common beginning is worth its copy. */
  private static final int SHARED = 16;

  /** Of the heap, what keys and values may have. */
  private static final double HEAP_SHARE = 0.4;

  private final DecodingModel model;
  private final SpinningPool pool;
  private final Decoder decoder;
  private final int maxBatch;
  private long tokensRead;

  /**
   * @param threads that decode together
   * @param maxBatch sequences that are decoded together; fewer where keys and values of so many
   *     would not fit the heap
   */
  public Generator(DecodingModel model, int threads, int maxBatch) {
    this.model = model;
    this.pool = new SpinningPool(threads);
    this.decoder = new Decoder(model, pool, maxBatch == 1);
    this.maxBatch = maxBatch;
  }

  private boolean restarts(int before, int after) {
    return model.config().layers().stream()
        .flatMap(layer -> layer.rope().stream())
        .anyMatch(rope -> rope.scaling().restarts(before, after));
  }

  /** Whether the heap has room for one more, which may grow to its limit. */
  private boolean hasRoom(List<Running> running, long tokens) {
    long all = tokens + running.stream().mapToLong(one -> one.limit).sum();
    double bytes = KeyValueCache.bytes(model.config()) * (double) all;
    return running.isEmpty() || bytes < HEAP_SHARE * Runtime.getRuntime().maxMemory();
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

    /** How many tokens the two begin with alike, the last of this one never among them. */
    int beginsAs(Running other) {
      int most = Math.min(length - 1, other.length);
      int differs = Arrays.mismatch(ids, 0, most, other.ids, 0, most);
      return differs < 0 ? most : differs;
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
      while (next < prompts.size()
          && running.size() < maxBatch
          && hasRoom(running, limit(prompts.get(next), settings))) {
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

  /** Tokens of prompts and answers that went through the model so far. */
  long tokensRead() {
    return tokensRead;
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
        limit(prompt, settings));
  }

  /** The most tokens of a sequence. */
  private int limit(Prompt prompt, GenerationSettings settings) {
    long wanted = (long) prompt.ids().length + settings.maxNewTokens();
    return (int) Math.min(model.config().contextLength(), wanted);
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
      boolean waits = one.read == 0 && waitsForBeginning(one, running);
      int[] tokens = waits ? new int[0] : one.unread(MAX_COLUMNS - columns);
      if (tokens.length > 0) {
        inputs.add(new Decoder.Input(one.cache, tokens, one.length));
        served.add(one);
        columns += tokens.length;
      }
    }
    tokensRead += columns;
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

  /**
   * Lets a sequence that has read nothing take over what one before it has read of their common
   * beginning.
   *
   * @return whether the other has not read it yet
   */
  private boolean waitsForBeginning(Running one, List<Running> running) {
    Running alike = one;
    int shared = SHARED - 1;
    for (Running other : running) {
      if (other == one) {
        break;
      }
      int common = one.beginsAs(other);
      if (common > shared && !restarts(other.lengthAtRead, one.length)) {
        shared = common;
        alike = other;
      }
    }
    if (alike == one) {
      return false;
    }
    if (alike.read < shared) {
      return true;
    }
    one.cache = alike.cache.beginning(shared);
    one.read = shared;
    return false;
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
    double[] losses = new double[ids.length];
    KeyValueCache cache = new KeyValueCache(model.config());
    int hiddenSize = model.config().hiddenSize();
    int last = ids.length - 1;
    while (last > 0 && !wanted[last]) {
      last--;
    }
    for (int from = 0; from < last; from += MAX_COLUMNS) {
      int to = Math.min(last, from + MAX_COLUMNS);
      int[] tokens = Arrays.copyOfRange(ids, from, to);
      float[] hidden = decoder.hidden(List.of(new Decoder.Input(cache, tokens, ids.length)));
      int first = from;
      int[] targets =
          IntStream.rangeClosed(from + 1, to).filter(target -> wanted[target]).toArray();
      for (int i = 0; i < targets.length; i++) {
        int state = targets[i] - 1 - first;
        System.arraycopy(hidden, state * hiddenSize, hidden, i * hiddenSize, hiddenSize);
      }
      losses(hidden, targets, ids, losses);
    }
    return losses;
  }

  /**
   * @param hidden of the targets, in their order; more may follow
   */
  private void losses(float[] hidden, int[] targets, int[] ids, double[] losses) {
    int hiddenSize = model.config().hiddenSize();
    int vocabulary = model.config().vocabSize();
    int chunk = Math.max(1, Math.min(128, MAX_LOGITS / vocabulary));
    for (int from = 0; from < targets.length; from += chunk) {
      int n = Math.min(chunk, targets.length - from);
      float[] some = Arrays.copyOfRange(hidden, from * hiddenSize, (from + n) * hiddenSize);
      float[] logits = decoder.head(some, n);
      int first = from;
      pool.run(
          n,
          i -> {
            int target = targets[first + i];
            losses[target] = loss(logits, i * vocabulary, vocabulary, ids[target]);
          });
    }
  }

  private static double loss(float[] logits, int at, int vocabulary, int target) {
    Kernels kernels = FastestKernels.KERNELS;
    float logit = logits[at + target];
    float max = kernels.scaled(logits, at, vocabulary, 1);
    double sum = 0;
    for (int from = 0; from < vocabulary; from += SUMMED) {
      int count = Math.min(SUMMED, vocabulary - from);
      sum += kernels.exponentials(logits, at + from, count, max);
    }
    return Math.log(sum) + max - logit;
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
