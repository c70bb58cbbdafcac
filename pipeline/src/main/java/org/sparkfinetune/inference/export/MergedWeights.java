package org.sparkfinetune.inference.export;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import org.apache.hadoop.fs.Path;
import org.sparkfinetune.config.ModelChoice.MergeBase;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.model.family.DecoderConfig;
import org.sparkfinetune.model.family.DecoderWeights;
import org.sparkfinetune.model.family.LinearModule;
import org.sparkfinetune.model.family.ModelFolder;
import org.sparkfinetune.model.family.WeightValues;
import org.sparkfinetune.model.family.WeightValues.QuantizedValues;
import org.sparkfinetune.model.peft.AdapterConfig.Variant;
import org.sparkfinetune.model.peft.AdapterFiles;
import org.sparkfinetune.model.peft.LoraDelta;
import org.sparkfinetune.model.peft.LoraTargets.AdapterNames;
import org.sparkfinetune.model.safetensors.DType;
import org.sparkfinetune.model.safetensors.NamedShape;
import org.sparkfinetune.store.Store;

/**
 * The weights of {@code W + scaling * B A}, in float32, piece by piece (Hu et al. 2021, section
 * 4.1). Modules that were trained whole replace the base's.
 */
final class MergedWeights implements AutoCloseable {
  private static final String WEIGHT = ".weight";
  private static final String BIAS = ".bias";

  private final ModelFolder model;
  private final Optional<AdapterFiles> adapter;
  private final MergeBase base;

  private MergedWeights(ModelFolder model, Optional<AdapterFiles> adapter, MergeBase base) {
    this.model = model;
    this.adapter = adapter;
    this.base = base;
  }

  /**
   * @throws UserError if the two do not fit together
   */
  static MergedWeights open(Path model, Optional<Path> adapter, MergeBase base, Store store) {
    ModelFolder folder = ModelFolder.open(model, store);
    try {
      MergedWeights merged =
          new MergedWeights(
              folder, adapter.map(path -> AdapterFiles.open(path, folder.config(), store)), base);
      merged.checkAdapter();
      return merged;
    } catch (RuntimeException e) {
      folder.close();
      throw e;
    }
  }

  private void checkAdapter() {
    if (adapter.isEmpty()) {
      return;
    }
    for (NamedShape weight : weights()) {
      checkShapes(weight);
    }
  }

  private void checkShapes(NamedShape weight) {
    AdapterFiles files = adapter.orElseThrow();
    String module = module(weight.name());
    if (files.modules().contains(module)) {
      long out = files.info(AdapterNames.loraB(module)).shape()[0];
      long in = files.info(AdapterNames.loraA(module)).shape()[1];
      requireShape(weight, List.of(out, in));
    }
    if (files.savedParameters().contains(weight.name())) {
      List<Long> saved = new ArrayList<>();
      for (long size : files.info(AdapterNames.saved(weight.name())).shape()) {
        saved.add(size);
      }
      requireShape(weight, saved);
    }
  }

  private void requireShape(NamedShape weight, List<Long> found) {
    if (!weight.shape().equals(found)) {
      throw new UserError(
          "The adapter's %s is for a shape of %s, but in the model %s it is %s. Was it trained for another model?"
              .formatted(weight.name(), found, model.path(), weight.shape()));
    }
  }

  ModelFolder model() {
    return model;
  }

  DecoderConfig config() {
    return model.config();
  }

  boolean isTied() {
    return config().tieWordEmbeddings() && adapter.stream().noneMatch(AdapterFiles::untiesHead);
  }

  List<NamedShape> weights() {
    List<NamedShape> weights = new ArrayList<>(model.weights());
    if (config().tieWordEmbeddings() && !isTied()) {
      weights.add(DecoderWeights.lmHead(config()));
    }
    return weights;
  }

  /** The weight's name in the files of such a model. */
  String nameInFile(NamedShape weight) {
    return model.checkpoint().names().contains(weight.name())
        ? model.checkpoint().inFile(weight.name())
        : config().names().inModel(weight.name());
  }

  /** The type that the base has for a weight. */
  DType dtype(NamedShape weight) {
    return model.dtype(inBase(weight));
  }

  /** A head that the adapter unties begins as the base's embedding. */
  private String inBase(NamedShape weight) {
    return config().tieWordEmbeddings() && weight.name().equals(DecoderWeights.LM_HEAD)
        ? DecoderWeights.EMBED_TOKENS
        : weight.name();
  }

  WeightValues values(NamedShape weight) {
    Optional<AdapterFiles> saved =
        adapter.filter(files -> files.savedParameters().contains(weight.name()));
    if (saved.isPresent()) {
      String tensor = AdapterNames.saved(weight.name());
      return (first, out, count) -> saved.get().read(tensor, first, out, count);
    }
    WeightValues values = baseValues(weight);
    return adapter.map(files -> adapted(files, weight.name(), values)).orElse(values);
  }

  private WeightValues adapted(AdapterFiles files, String name, WeightValues values) {
    if (name.equals(DecoderWeights.EMBED_TOKENS)) {
      return files.withTokenRows(values);
    }
    String module = module(name);
    if (files.modules().contains(module)) {
      return LoraDelta.merged(files, module, values);
    }
    if (name.endsWith(BIAS) && biased(files, linear(name))) {
      String linear = linear(name);
      float[] bias = files.floats(AdapterNames.biasOfB(linear));
      float scaling = (float) files.config().ranks().scaling(linear);
      return (first, out, count) -> {
        values.read(first, out, count);
        for (int i = 0; i < count; i++) {
          out[i] += scaling * bias[(int) first + i];
        }
      };
    }
    return values;
  }

  /** The linear of a bias, as the adapter calls it. */
  private String linear(String bias) {
    return config().names().inModel(bias.substring(0, bias.length() - BIAS.length()));
  }

  private static boolean biased(AdapterFiles files, String module) {
    return files.config().variant() == Variant.BIAS && files.modules().contains(module);
  }

  /**
   * @throws UserError if the adapter computes what no model of this architecture does
   */
  void requireMergeable() {
    Set<String> names = weights().stream().map(NamedShape::name).collect(Collectors.toSet());
    adapter.stream()
        .flatMap(files -> files.modules().stream().filter(module -> biased(files, module)))
        .filter(module -> !names.contains(config().names().here(module + BIAS)))
        .findFirst()
        .ifPresent(
            module -> {
              throw new UserError(
                  "The adapter has biases (lora_bias), but %s of the model has no bias that they could be merged into, as in PEFT. Use the adapter beside the model: generate and evaluate take both."
                      .formatted(module));
            });
  }

  private WeightValues baseValues(NamedShape weight) {
    WeightValues values = model.values(inBase(weight));
    boolean quantize =
        base == MergeBase.DEQUANTIZED
            && !model.isQuantized(weight.name())
            && LinearModule.isWeight(weight.name());
    return quantize ? new QuantizedValues(values, weight.elements(), rounding(weight)) : values;
  }

  private QuantizedValues.Rounding rounding(NamedShape weight) {
    return model.dtype(weight.name()) == DType.F32
        ? QuantizedValues.Rounding.FLOAT32
        : QuantizedValues.Rounding.BFLOAT16;
  }

  /** As the adapter calls the weight's module. */
  private String module(String weight) {
    return config()
        .names()
        .inModel(
            weight.endsWith(WEIGHT)
                ? weight.substring(0, weight.length() - WEIGHT.length())
                : weight);
  }

  @Override
  public void close() {
    adapter.ifPresent(AdapterFiles::close);
    model.close();
  }
}
