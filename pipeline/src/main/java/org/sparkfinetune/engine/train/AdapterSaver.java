package org.sparkfinetune.engine.train;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import org.apache.hadoop.fs.Path;
import org.sparkfinetune.config.TrainConfig;
import org.sparkfinetune.config.TrainConfig.Method;
import org.sparkfinetune.config.TrainConfig.ModelSource;
import org.sparkfinetune.data.tokenize.TokenizerFiles;
import org.sparkfinetune.engine.fsdp.TrainableGroup;
import org.sparkfinetune.engine.fsdp.TrainableLayout;
import org.sparkfinetune.engine.metrics.RunFolder;
import org.sparkfinetune.engine.tensor.HostMemory;
import org.sparkfinetune.engine.tensor.Scope;
import org.sparkfinetune.engine.tensor.Tensor;
import org.sparkfinetune.model.family.LinearModule;
import org.sparkfinetune.model.family.ModelFolder;
import org.sparkfinetune.model.peft.AdapterConfig;
import org.sparkfinetune.model.peft.AdapterFiles;
import org.sparkfinetune.model.peft.LoraModules.AllLinear;
import org.sparkfinetune.model.peft.LoraModules.Names;
import org.sparkfinetune.model.peft.LoraTargets;
import org.sparkfinetune.model.peft.LoraTargets.AdapterNames;
import org.sparkfinetune.model.safetensors.DType;
import org.sparkfinetune.model.safetensors.SafetensorsWriter;
import org.sparkfinetune.model.safetensors.TensorInfo;
import org.sparkfinetune.model.safetensors.TensorSpec;
import org.sparkfinetune.store.Store;

/** Writes what was trained, gathered one group at a time, so that nobody holds it whole. */
final class AdapterSaver {
  /** The revision that needs no mention. */
  private static final String MAIN = "main";

  private final RankModel model;
  private final Store store;
  private final long version;

  AdapterSaver(RankModel model, Store store, long version) {
    this.model = model;
    this.store = store;
    this.version = version;
  }

  /** What a run leaves: {@code adapter/}, or {@code model/} where all weights were trained. */
  void result(TrainConfig config, AdapterConfig lora) {
    RunFolder folder = RunFolder.of(config.outputDir());
    // What a start that was killed in this place left half-written.
    store.sweep(config.method() == Method.FULL ? folder.model() : folder.adapter());
    trained(config, lora, config.method() == Method.FULL ? folder.model() : folder.adapter());
  }

  /** An adapter, or a model where all weights are trained. */
  void trained(TrainConfig config, AdapterConfig lora, Path folder) {
    if (config.method() == Method.FULL) {
      model(folder, config.model());
      ModelFiles.copy(config.model(), folder, store);
    } else {
      adapter(folder, config.model(), lora);
    }
  }

  /** A PEFT adapter folder. */
  private void adapter(Path folder, ModelSource source, AdapterConfig lora) {
    Map<String, String> names = new LinkedHashMap<>();
    List<TensorSpec> specs = new ArrayList<>();
    for (TrainableLayout.Entry entry : entries()) {
      if (LoraTargets.isFirst(entry.tensor().name())) {
        continue;
      }
      String file = AdapterNames.saved(inModel(entry.tensor().name()));
      names.put(file, entry.tensor().name());
      specs.add(new TensorSpec(file, DType.F32, dimensions(entry)));
    }
    AdapterConfig config =
        named(lora.written())
            .within(model.recipe().config().names())
            .on(
                source.modelId(),
                Optional.of(source.revision()).filter(revision -> !revision.equals(MAIN)));
    AdapterFiles.write(
        folder,
        store,
        config,
        specs,
        (spec, sink) -> {
          String tensor = names.getOrDefault(spec.name(), spec.name());
          if (hasFirst(tensor)) {
            sink.accept(difference(tensor));
          } else {
            write(tensor, sink);
          }
        });
  }

  private boolean hasFirst(String tensor) {
    String first = LoraTargets.first(tensor);
    return !first.equals(tensor)
        && entries().stream().anyMatch(entry -> entry.tensor().name().equals(first));
  }

  /** {@code [A; A0]} (2r, in) or {@code [B, -B0]} (out, 2r) as bytes. */
  private ByteBuffer difference(String tensor) {
    float[] now = floats(tensor);
    float[] first = floats(LoraTargets.first(tensor));
    boolean isA = LoraTargets.isA(tensor);
    long[] shape = shape(tensor);
    int run = isA ? now.length : (int) shape[1];
    ByteBuffer bytes =
        ByteBuffer.allocate(2 * now.length * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
    for (int at = 0; at < now.length; at += run) {
      for (int i = at; i < at + run; i++) {
        bytes.putFloat(now[i]);
      }
      for (int i = at; i < at + run; i++) {
        bytes.putFloat(isA ? first[i] : -first[i]);
      }
    }
    return bytes.flip();
  }

  private long[] shape(String tensor) {
    return entries().stream()
        .filter(entry -> entry.tensor().name().equals(tensor))
        .findFirst()
        .orElseThrow()
        .tensor()
        .dimensions();
  }

  private float[] floats(String tensor) {
    long[] shape = shape(tensor);
    ByteBuffer bytes =
        ByteBuffer.allocate(Math.toIntExact(shape[0] * shape[1] * Float.BYTES))
            .order(ByteOrder.LITTLE_ENDIAN);
    write(tensor, part -> bytes.put(part.duplicate()));
    float[] values = new float[bytes.capacity() / Float.BYTES];
    bytes.flip().asFloatBuffer().get(values);
    return values;
  }

  /**
   * A model's weights in float32, for full fine-tuning, and what it has beside its decoder as it
   * was.
   */
  private void model(Path folder, ModelSource source) {
    try (ModelFolder base = ModelFolder.open(new Path(source.folder()), store)) {
      List<TensorSpec> specs = new ArrayList<>();
      for (TrainableLayout.Entry entry : entries()) {
        String name = base.checkpoint().inFile(entry.tensor().name());
        specs.add(new TensorSpec(name, DType.F32, entry.tensor().dimensions()));
      }
      List<TensorInfo> others = base.others();
      others.forEach(one -> specs.add(new TensorSpec(one.name(), one.dtype(), one.shape())));
      try (SafetensorsWriter writer =
          SafetensorsWriter.create(
              new Path(folder, "model.safetensors"), store, Map.of("format", "pt"), specs)) {
        entries().forEach(entry -> write(entry.tensor().name(), writer::write));
        others.forEach(one -> base.stored(one, writer::write));
        writer.commit();
      }
    }
  }

  /** PEFT writes the names that all-linear means. */
  private AdapterConfig named(AdapterConfig lora) {
    return lora.modules().targets() instanceof AllLinear
        ? lora.withTargets(
            new Names(
                LinearModule.adaptable(model.recipe().config()).stream()
                    .map(LinearModule::shortName)
                    .sorted()
                    .toList()))
        : lora;
  }

  /** LoRA's weights have the model's names already. */
  private String inModel(String tensor) {
    return tensor.contains(".lora_") ? tensor : model.recipe().config().names().inModel(tensor);
  }

  /** DoRA's magnitudes are a column in training, a vector in the file. */
  private long[] dimensions(TrainableLayout.Entry entry) {
    if (hasFirst(entry.tensor().name())) {
      long[] twice = entry.tensor().dimensions();
      twice[LoraTargets.isA(entry.tensor().name()) ? 0 : 1] *= 2;
      return twice;
    }
    return AdapterNames.isMagnitudes(entry.tensor().name())
        ? new long[] {entry.tensor().elements()}
        : entry.tensor().dimensions();
  }

  private List<TrainableLayout.Entry> entries() {
    List<TrainableLayout.Entry> entries = new ArrayList<>();
    for (TrainableGroup group : model.weights().trainable()) {
      group.layout().entries().forEach(entries::add);
    }
    return entries;
  }

  private void write(String tensor, Consumer<ByteBuffer> sink) {
    for (TrainableGroup group : model.weights().trainable()) {
      if (group.layout().contains(tensor)) {
        try (Scope scope = model.ops().torch().scope()) {
          TrainableLayout.Entry entry = group.layout().entry(tensor);
          HostMemory hostMemory = model.ops().hostMemory();
          Tensor flat = hostMemory.toHost(scope, group.unshard(scope, version));
          hostMemory.buffers(flat, entry.at(), entry.tensor().elements()).forEach(sink);
        }
        return;
      }
    }
    throw new IllegalArgumentException("no trained tensor " + tensor);
  }

  /** What belongs beside a model's weights. */
  static final class ModelFiles {
    static final List<String> NAMES =
        List.of(
            "config.json",
            "generation_config.json",
            "tokenizer.json",
            "tokenizer_config.json",
            "special_tokens_map.json",
            "preprocessor_config.json",
            "processor_config.json",
            "chat_template.jinja");

    private ModelFiles() {}

    static void copy(ModelSource source, Path to, Store store) {
      Path from = new Path(source.folder());
      store.copy(from, to, NAMES);
      store.copy(from, to, TokenizerFiles.moreTemplates(from, store));
    }
  }
}
