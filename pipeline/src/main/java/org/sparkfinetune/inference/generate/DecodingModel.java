package org.sparkfinetune.inference.generate;

import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.apache.hadoop.fs.Path;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.inference.generate.Matrix.PlainMatrix;
import org.sparkfinetune.model.family.DecoderConfig;
import org.sparkfinetune.model.family.ModelFolder;
import org.sparkfinetune.store.Store;

/**
 * A base model and maybe an adapter, ready for decoding. Weights lie outside the heap, mapped from
 * the checkpoint where it is on a local disk; the first {@link Generator} that finds room in the
 * heap leaves them there decoded. May be used by any number of threads, each with a generator of
 * its own.
 */
public final class DecodingModel implements AutoCloseable {
  private final DecoderConfig config;
  private final PlainMatrix embedding;
  private final List<Layer> layers;
  private final float[] finalNorm;
  private final Linear head;
  private final UnnamedFile unnamed;

  DecodingModel(
      DecoderConfig config,
      PlainMatrix embedding,
      List<Layer> layers,
      float[] finalNorm,
      Linear head,
      UnnamedFile unnamed) {
    this.config = config;
    this.embedding = embedding;
    this.layers = List.copyOf(layers);
    this.finalNorm = finalNorm;
    this.head = head;
    this.unnamed = unnamed;
  }

  /**
   * Looks at configurations and headers alone, for a word before anything is loaded elsewhere.
   *
   * @throws UserError as {@link #load} would
   */
  public static void check(Path model, Optional<Path> adapter, BaseForm form, Store store) {
    try (ModelLoader loader = ModelLoader.open(model, adapter, form, store)) {
      loader.abandon();
    }
  }

  /**
   * Opens a model folder.
   *
   * @param adapter a PEFT adapter folder
   * @param threads to quantise with
   * @param layerLoaded is run after each layer, by any thread
   * @throws UserError if a folder is not what it should be, or the two do not fit together
   */
  public static DecodingModel load(
      Path model,
      Optional<Path> adapter,
      BaseForm form,
      Store store,
      int threads,
      Runnable layerLoaded) {
    try (ModelLoader loader = ModelLoader.open(model, adapter, form, store)) {
      return loader.load(threads, layerLoaded);
    }
  }

  /** The same, seen by nobody. */
  public static DecodingModel load(
      Path model, Optional<Path> adapter, BaseForm form, Store store, int threads) {
    return load(model, adapter, form, store, threads, () -> {});
  }

  /** How many layers a model folder's model has. */
  public static int layers(Path model, Store store) {
    return ModelFolder.config(model, store).numHiddenLayers();
  }

  public DecoderConfig config() {
    return config;
  }

  PlainMatrix embedding() {
    return embedding;
  }

  List<Layer> layers() {
    return layers;
  }

  /** All, experts and the head with them. */
  Stream<Linear> linears() {
    Stream<Linear> ofLayers =
        layers.stream()
            .flatMap(
                layer ->
                    layer.mlp() instanceof Mlp.Mixture mixture
                        ? Stream.concat(
                            layer.linears(), mixture.experts().stream().flatMap(Mlp.Dense::linears))
                        : layer.linears());
    return Stream.concat(ofLayers, Stream.of(head));
  }

  /** Those of layers that have a common input, routers excepted. */
  Stream<List<Linear>> groups() {
    return layers.stream()
        .flatMap(
            layer ->
                Stream.concat(
                    Stream.of(layer.qkv(), List.of(layer.o())),
                    layer.mlp() instanceof Mlp.Mixture mixture
                        ? mixture.experts().stream().flatMap(Mlp.Dense::groups)
                        : ((Mlp.Dense) layer.mlp()).groups()));
  }

  float[] finalNorm() {
    return finalNorm;
  }

  Linear head() {
    return head;
  }

  /** Nothing may decode with the model any more. */
  @Override
  public void close() {
    unnamed.close();
  }

  /** In what form the linears of the base model are computed with. */
  public enum BaseForm {
    /** What the checkpoint holds: 16 or 32 bits, or bitsandbytes' NF4. */
    AS_STORED,
    /** NF4 rounded to bfloat16, as a QLoRA run sees it that computes in bfloat16. */
    NF4,
    /** NF4 in float32, as a QLoRA run with {@code bf16: false} sees it. */
    NF4_FLOAT32
  }

  /**
   * The weights of one decoder layer.
   *
   * @param qkv q, k and v, or one that holds all three
   */
  record Layer(List<Linear> qkv, Linear o, Mlp mlp, Norms norms) {
    /** But for experts. */
    Stream<Linear> linears() {
      Stream<Linear> ofMlp =
          mlp instanceof Mlp.Dense dense
              ? dense.linears()
              : Stream.of(((Mlp.Mixture) mlp).router());
      return Stream.concat(Stream.concat(qkv.stream(), Stream.of(o)), ofMlp);
    }
  }

  /** What follows attention. */
  sealed interface Mlp {
    /**
     * {@code down(act(gate x) * up x)}.
     *
     * @param gateUp gate and up, or one that holds both
     */
    record Dense(List<Linear> gateUp, Linear down) implements Mlp {
      Stream<Linear> linears() {
        return groups().flatMap(List::stream);
      }

      Stream<List<Linear>> groups() {
        return Stream.of(gateUp, List.of(down));
      }
    }

    /** Of some experts those that the router gives a token. */
    record Mixture(Linear router, List<Dense> experts) implements Mlp {}
  }

  /**
   * Factors of a layer's norms, as they are multiplied with; empty where the family has none.
   *
   * @param query (head_dim) or all queries
   */
  @SuppressWarnings("ArrayRecordComponent")
  record Norms(
      float[] attention,
      float[] mlp,
      float[] query,
      float[] key,
      float[] afterAttention,
      float[] afterMlp) {}
}
