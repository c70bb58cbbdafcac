package org.sparkfinetune.inference.generate;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.IntStream;
import org.apache.hadoop.fs.Path;
import org.sparkfinetune.engine.fsdp.Workers;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.inference.generate.DecodingModel.BaseForm;
import org.sparkfinetune.inference.generate.DecodingModel.Layer;
import org.sparkfinetune.inference.generate.DecodingModel.Mlp;
import org.sparkfinetune.inference.generate.DecodingModel.Norms;
import org.sparkfinetune.inference.generate.Linear.Lora;
import org.sparkfinetune.inference.generate.Matrix.PlainMatrix;
import org.sparkfinetune.model.family.DecoderConfig;
import org.sparkfinetune.model.family.DecoderFamily.NormWeight;
import org.sparkfinetune.model.family.DecoderWeights;
import org.sparkfinetune.model.family.DecoderWeights.LayerNorms;
import org.sparkfinetune.model.family.LinearModule;
import org.sparkfinetune.model.family.ModelFolder;
import org.sparkfinetune.model.peft.AdapterConfig.Variant;
import org.sparkfinetune.model.peft.AdapterFiles;
import org.sparkfinetune.model.peft.LoraTargets;
import org.sparkfinetune.model.peft.LoraTargets.AdapterNames;
import org.sparkfinetune.model.safetensors.NamedShape;
import org.sparkfinetune.model.safetensors.TensorInfo;
import org.sparkfinetune.store.Store;

/** Makes a {@link DecodingModel} from folders: a base model's matrices with an adapter on them. */
final class ModelLoader implements AutoCloseable {
  private static final String WEIGHT = ".weight";

  private final ModelFolder folder;
  private final Optional<AdapterFiles> adapter;
  private final UnnamedFile unnamed = UnnamedFile.create();
  private final BaseMatrices base;

  private ModelLoader(
      ModelFolder folder,
      Optional<AdapterFiles> adapter,
      BaseForm form,
      Optional<BaseMatrices> base) {
    this.folder = folder;
    this.adapter = adapter;
    this.base = base.orElseGet(() -> new BaseMatrices(form, unnamed));
  }

  static ModelLoader open(Path model, Optional<Path> adapter, BaseForm form, Store store) {
    return open(model, adapter, form, Optional.empty(), store);
  }

  /**
   * @param base to take matrices from that were made before, and to leave others in; without it the
   *     model has its own
   */
  static ModelLoader open(
      Path model, Optional<Path> adapter, BaseForm form, Optional<BaseMatrices> base, Store store) {
    ModelFolder folder = ModelFolder.open(model, store);
    try {
      ModelLoader loader =
          new ModelLoader(
              folder,
              adapter.map(path -> AdapterFiles.open(path, folder.config(), store)),
              form,
              base);
      loader.adapter.ifPresent(loader::check);
      return loader;
    } catch (RuntimeException e) {
      folder.close();
      throw e;
    }
  }

  private void check(AdapterFiles files) {
    List<String> saved = List.of(DecoderWeights.EMBED_TOKENS, DecoderWeights.LM_HEAD);
    for (String parameter : files.savedParameters()) {
      if (!saved.contains(parameter)) {
        throw new UserError(
            "The adapter holds %s; of modules that were trained whole, %s are used here."
                .formatted(parameter, saved));
      }
    }
  }

  /** Nothing will be loaded. */
  void abandon() {
    unnamed.close();
  }

  /**
   * @param layerLoaded is run after each layer, by any thread
   */
  DecodingModel load(int threads, Runnable layerLoaded) {
    DecoderConfig config = folder.config();
    List<Layer> layers = new ArrayList<>();
    List<Runnable> loads = new ArrayList<>();
    for (int i = 0; i < config.numHiddenLayers(); i++) {
      int index = i;
      layers.add(null);
      loads.add(
          () -> {
            layers.set(index, layer(index));
            layerLoaded.run();
          });
    }
    try (Workers workers = new Workers(threads)) {
      workers.run(loads);
    }
    PlainMatrix embedding =
        table(DecoderWeights.embedTokens(config)).with(tokenRows(config.hiddenSize()));
    return new DecodingModel(
        config,
        embedding,
        layers,
        norm(DecoderWeights.finalNorm(config)),
        new Linear(head(embedding), new float[0], Optional.empty()),
        unnamed);
  }

  /** Embeddings of single tokens that the adapter has, by their ids. */
  private Map<Integer, float[]> tokenRows(int width) {
    Map<Integer, float[]> rows = new HashMap<>();
    adapter
        .filter(AdapterFiles::hasTokenRows)
        .ifPresent(
            files -> {
              float[] all = files.floats(AdapterNames.saved(LoraTargets.TOKEN_ROWS));
              for (int i = 0; i < files.config().tokens().size(); i++) {
                rows.put(
                    files.config().tokens().get(i),
                    Arrays.copyOfRange(all, i * width, (i + 1) * width));
              }
            });
    return rows;
  }

  private PlainMatrix head(PlainMatrix embedding) {
    DecoderConfig config = folder.config();
    NamedShape head = DecoderWeights.lmHead(config);
    if (!config.tieWordEmbeddings()
        || adapter.stream().anyMatch(files -> files.savedParameters().contains(head.name()))) {
      return table(head);
    }
    return adapter.stream().anyMatch(AdapterFiles::untiesHead)
        ? base.plain(folder, DecoderWeights.EMBED_TOKENS, config.vocabSize(), config.hiddenSize())
        : embedding;
  }

  private Layer layer(int index) {
    String prefix = DecoderWeights.layerPrefix(index);
    LayerNorms norms = LayerNorms.of(folder.config(), index);
    return new Layer(
        linears(prefix, LinearModule.Q_PROJ, LinearModule.V_PROJ),
        linear(prefix, LinearModule.O_PROJ),
        DecoderWeights.router(folder.config(), index)
            .<Mlp>map(router -> new Mlp.Mixture(router(router), experts(index)))
            .orElseGet(() -> dense(prefix)),
        new Norms(
            norm(norms.attention()),
            norm(norms.mlp()),
            norm(norms.query()),
            norm(norms.key()),
            norm(norms.afterAttention()),
            norm(norms.afterMlp())));
  }

  private Mlp.Dense dense(String prefix) {
    return new Mlp.Dense(
        linears(prefix, LinearModule.GATE_PROJ, LinearModule.UP_PROJ),
        linear(prefix, LinearModule.DOWN_PROJ));
  }

  /** A router is never quantised here. */
  private Linear router(NamedShape weight) {
    int out = Math.toIntExact(weight.shape().get(0));
    int in = Math.toIntExact(weight.shape().get(1));
    Matrix matrix =
        folder.isQuantized(weight.name())
            ? base.linear(folder, weight.name(), out, in)
            : base.plain(folder, weight.name(), out, in);
    return new Linear(matrix, new float[0], Optional.empty());
  }

  private List<Mlp.Dense> experts(int layer) {
    DecoderConfig config = folder.config();
    return IntStream.range(0, config.experts().count())
        .mapToObj(expert -> DecoderWeights.expert(config, layer, expert))
        .map(weights -> weights.stream().map(this::expertLinear).toList())
        .map(linears -> new Mlp.Dense(linears.subList(0, 2), linears.get(2)))
        .toList();
  }

  private Linear expertLinear(NamedShape weight) {
    int out = Math.toIntExact(weight.shape().get(0));
    int in = Math.toIntExact(weight.shape().get(1));
    return new Linear(base.linear(folder, weight.name(), out, in), new float[0], Optional.empty());
  }

  /** Those at the slots of the two and between, fused or not. */
  private List<Linear> linears(String prefix, LinearModule first, LinearModule last) {
    return LinearModule.of(folder.config()).stream()
        .filter(module -> module.slot() >= first.slot() && module.slot() <= last.slot())
        .map(module -> linear(prefix, module))
        .toList();
  }

  private float[] norm(Optional<NamedShape> weight) {
    return weight.map(this::norm).orElse(new float[0]);
  }

  /** What a norm multiplies with: its weight, or 1 + weight. */
  private float[] norm(NamedShape weight) {
    float[] values = floats(weight);
    if (folder.config().family().normWeight() == NormWeight.ONE_PLUS) {
      for (int i = 0; i < values.length; i++) {
        values[i] += 1;
      }
    }
    return values;
  }

  private Linear linear(String prefix, LinearModule module) {
    DecoderConfig config = folder.config();
    String name = prefix + module.path();
    int out = Math.toIntExact(module.outFeatures(config));
    int in = Math.toIntExact(module.inFeatures(config));
    float[] bias =
        module.hasBias(config) ? floats(NamedShape.of(name + ".bias", out)) : new float[0];
    String inModel = config.names().inModel(name);
    Optional<Lora> lora = lora(inModel, out, in);
    return new Linear(
        base.linear(folder, name + WEIGHT, out, in), withBiasOfB(inModel, bias, out), lora);
  }

  /** The adapter's bias does not depend on the input, so it is the linear's. */
  private float[] withBiasOfB(String module, float[] bias, int out) {
    if (adapter.isEmpty()
        || adapter.get().config().variant() != Variant.BIAS
        || !adapter.get().modules().contains(module)) {
      return bias;
    }
    float[] all = Arrays.copyOf(bias, out);
    float[] own = adapter.get().floats(AdapterNames.biasOfB(module));
    float scaling = (float) adapter.get().config().ranks().scaling(module);
    for (int i = 0; i < out; i++) {
      all[i] += scaling * own[i];
    }
    return all;
  }

  private Optional<Lora> lora(String module, int out, int in) {
    return adapter
        .filter(files -> files.modules().contains(module))
        .map(
            files -> {
              int r = files.config().ranks().rank(module);
              requireShape(files, AdapterNames.loraA(module), r, in);
              requireShape(files, AdapterNames.loraB(module), out, r);
              return Lora.read(
                  files, module, out, in, () -> base.computedWith(folder, module + WEIGHT));
            });
  }

  private void requireShape(AdapterFiles files, String tensor, long... shape) {
    if (!Arrays.equals(files.info(tensor).shape(), shape)) {
      throw new UserError(
          "The adapter's %s has shape %s, but the model %s needs %s. Was it trained for another model?"
              .formatted(
                  tensor,
                  Arrays.toString(files.info(tensor).shape()),
                  folder.path(),
                  Arrays.toString(shape)));
    }
  }

  /** The embedding or the head; what an adapter trained whole replaces the base's. */
  private PlainMatrix table(NamedShape shape) {
    int out = Math.toIntExact(shape.shape().get(0));
    int in = Math.toIntExact(shape.shape().get(1));
    Optional<AdapterFiles> saved =
        adapter.filter(files -> files.savedParameters().contains(shape.name()));
    if (saved.isEmpty()) {
      return base.plain(folder, shape.name(), out, in);
    }
    String tensor = AdapterNames.saved(shape.name());
    requireShape(saved.get(), tensor, out, in);
    TensorInfo info = saved.get().info(tensor);
    ByteBuffer copy = unnamed.allocate(info.byteCount());
    saved.get().read(tensor, 0, copy);
    return new PlainMatrix(out, in, copy.flip(), info.dtype());
  }

  private float[] floats(NamedShape shape) {
    float[] values = new float[Math.toIntExact(shape.elements())];
    folder.values(shape.name()).read(0, values, values.length);
    return values;
  }

  @Override
  public void close() {
    adapter.ifPresent(AdapterFiles::close);
    folder.close();
  }
}
