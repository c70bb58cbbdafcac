package org.sparkfinetune.inference.generate;

import java.util.Arrays;
import java.util.List;
import org.sparkfinetune.inference.generate.DecodingModel.Layer;
import org.sparkfinetune.inference.generate.Kernels.FastestKernels;
import org.sparkfinetune.model.family.LlamaConfig;

/**
 * One pass through a Llama for the next tokens of some sequences, each with its own cache. There is
 * no padding: a column is a token of some sequence, and prompts of different lengths and single new
 * tokens go through together.
 *
 * <p>n columns, H hidden size, D head size; float32, sums as in transformers' LlamaForCausalLM.
 */
final class Decoder {
  private final DecodingModel model;
  private final LlamaConfig config;
  private final Kernels kernels = FastestKernels.KERNELS;
  private final SpinningPool pool;
  private final LinearMath linears;
  private final float[] frequencies;

  Decoder(DecodingModel model, SpinningPool pool) {
    this.model = model;
    this.config = model.config();
    this.pool = pool;
    this.linears = new LinearMath(kernels, pool);
    this.frequencies = config.inverseFrequencies();
  }

  /** Tokens that follow what the cache holds. */
  record Input(KeyValueCache cache, int[] tokens) {}

  /** A column: a token of an input. */
  private record Column(KeyValueCache cache, int token, int position) {}

  /** Logits after the last token of each input, (inputs, vocabulary). */
  float[] lastLogits(List<Input> inputs) {
    int[] last = new int[inputs.size()];
    int end = 0;
    for (int i = 0; i < last.length; i++) {
      end += inputs.get(i).tokens().length;
      last[i] = end - 1;
    }
    float[] hidden = hidden(inputs);
    float[] chosen = new float[last.length * config.hiddenSize()];
    for (int i = 0; i < last.length; i++) {
      System.arraycopy(
          hidden,
          last[i] * config.hiddenSize(),
          chosen,
          i * config.hiddenSize(),
          config.hiddenSize());
    }
    return head(chosen, last.length);
  }

  /** What the head gives for n normalised hidden states (n, H): (n, vocabulary). */
  float[] head(float[] hidden, int n) {
    float[] logits = new float[n * config.vocabSize()];
    linears.apply(List.of(model.head()), hidden, n, List.of(logits));
    return logits;
  }

  /** The normalised hidden states of all tokens, (tokens, H). */
  float[] hidden(List<Input> inputs) {
    Column[] columns = columns(inputs);
    int n = columns.length;
    float[] x = new float[n * config.hiddenSize()];
    for (int t = 0; t < n; t++) {
      model.embedding().row(columns[t].token(), x, t * config.hiddenSize());
    }
    float[] rotation = rotation(columns);
    for (int i = 0; i < config.numHiddenLayers(); i++) {
      layer(i, x, columns, rotation);
    }
    inputs.forEach(input -> input.cache().advance(input.tokens().length));
    return normalised(x, n, model.finalNorm());
  }

  private static Column[] columns(List<Input> inputs) {
    return inputs.stream()
        .flatMap(
            input ->
                java.util.stream.IntStream.range(0, input.tokens().length)
                    .mapToObj(
                        i ->
                            new Column(
                                input.cache(), input.tokens()[i], input.cache().length() + i)))
        .toArray(Column[]::new);
  }

  /** Cosines, then sines, of each column's position: (n, 2, D/2). */
  private float[] rotation(Column[] columns) {
    int half = frequencies.length;
    float[] rotation = new float[columns.length * 2 * half];
    for (int t = 0; t < columns.length; t++) {
      for (int i = 0; i < half; i++) {
        float angle = columns[t].position() * frequencies[i];
        rotation[t * 2 * half + i] = (float) Math.cos(angle);
        rotation[t * 2 * half + half + i] = (float) Math.sin(angle);
      }
    }
    return rotation;
  }

  private void layer(int index, float[] x, Column[] columns, float[] rotation) {
    int n = columns.length;
    Layer layer = model.layers().get(index);
    float[] attended = attention(index, layer, x, columns, rotation);
    float[] projected = new float[n * config.hiddenSize()];
    linears.apply(List.of(layer.o()), attended, n, List.of(projected));
    add(x, projected);
    float[] normed = normalised(x, n, layer.postNorm());
    float[] gate = new float[n * config.intermediateSize()];
    float[] up = new float[gate.length];
    linears.apply(List.of(layer.gate(), layer.up()), normed, n, List.of(gate, up));
    inBlocks(gate.length, (from, to) -> kernels.siluTimes(gate, up, from, to));
    linears.apply(List.of(layer.down()), gate, n, List.of(projected));
    add(x, projected);
  }

  private void add(float[] x, float[] y) {
    kernels.addScaled(1, y, 0, x, 0, x.length);
  }

  private float[] normalised(float[] x, int n, float[] weight) {
    int h = config.hiddenSize();
    float[] normed = new float[n * h];
    for (int t = 0; t < n; t++) {
      float mean = kernels.dot(x, t * h, x, t * h, h) / h;
      float inverse = (float) (1 / Math.sqrt(mean + config.rmsNormEps()));
      for (int i = 0; i < h; i++) {
        normed[t * h + i] = x[t * h + i] * inverse * weight[i];
      }
    }
    return normed;
  }

  private float[] attention(int index, Layer layer, float[] x, Column[] columns, float[] rotation) {
    int n = columns.length;
    int queries = config.numAttentionHeads() * config.headDim();
    int keyValues = config.numKeyValueHeads() * config.headDim();
    float[] normed = normalised(x, n, layer.inputNorm());
    float[] q = new float[n * queries];
    float[] k = new float[n * keyValues];
    float[] v = new float[n * keyValues];
    linears.apply(List.of(layer.q(), layer.k(), layer.v()), normed, n, List.of(q, k, v));
    for (int t = 0; t < n; t++) {
      rotate(q, t * queries, config.numAttentionHeads(), rotation, t);
      rotate(k, t * keyValues, config.numKeyValueHeads(), rotation, t);
      columns[t].cache().put(index, columns[t].position(), k, v, t * keyValues);
    }
    float[] attended = new float[n * queries];
    attend(index, columns, q, attended);
    return attended;
  }

  /** Rotate-half: element i of a head's first half turns with element i of its second. */
  private void rotate(float[] x, int at, int heads, float[] rotation, int column) {
    int half = frequencies.length;
    int cos = column * 2 * half;
    int sin = cos + half;
    for (int head = 0; head < heads; head++) {
      int first = at + head * 2 * half;
      for (int i = 0; i < half; i++) {
        float a = x[first + i];
        float b = x[first + half + i];
        x[first + i] = a * rotation[cos + i] - b * rotation[sin + i];
        x[first + half + i] = b * rotation[cos + i] + a * rotation[sin + i];
      }
    }
  }

  private void attend(int index, Column[] columns, float[] q, float[] attended) {
    int heads = config.numAttentionHeads();
    long work = Arrays.stream(columns).mapToLong(c -> c.position() + 1L).sum() * heads;
    int pairs = columns.length * heads;
    // Waking threads costs more than a short context.
    int parts = work * config.headDim() < 1 << 16 ? 1 : Math.min(pairs, 4 * pool.threads());
    pool.run(
        parts,
        part -> {
          int from = (int) ((long) pairs * part / parts);
          int to = (int) ((long) pairs * (part + 1) / parts);
          for (int pair = from; pair < to; pair++) {
            head(index, columns[pair / heads], pair % heads, q, attended, pair);
          }
        });
  }

  private void head(int index, Column column, int head, float[] q, float[] attended, int pair) {
    int d = config.headDim();
    int width = config.numKeyValueHeads() * d;
    int from = head / (config.numAttentionHeads() / config.numKeyValueHeads()) * d;
    int positions = column.position() + 1;
    float[] keys = column.cache().keys(index);
    float[] scores = ThreadBuffers.ofThisThread().scores(positions);
    float scale = (float) (1 / Math.sqrt(d));
    float max = Float.NEGATIVE_INFINITY;
    for (int p = 0; p < positions; p++) {
      scores[p] = kernels.dot(q, pair * d, keys, p * width + from, d) * scale;
      max = Math.max(max, scores[p]);
    }
    float sum = kernels.exponentials(scores, 0, positions, max);
    float[] values = column.cache().values(index);
    for (int p = 0; p < positions; p++) {
      kernels.addScaled(scores[p] / sum, values, p * width + from, attended, pair * d, d);
    }
  }

  @FunctionalInterface
  private interface Block {
    void run(int from, int to);
  }

  private void inBlocks(int count, Block block) {
    int size = Math.max(4096, (count / pool.threads() + 63) & ~63);
    pool.run((count + size - 1) / size, i -> block.run(i * size, Math.min(count, (i + 1) * size)));
  }
}
