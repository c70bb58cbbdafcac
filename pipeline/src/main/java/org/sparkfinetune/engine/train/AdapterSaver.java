package org.sparkfinetune.engine.train;

import java.nio.ByteBuffer;
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
import org.sparkfinetune.model.peft.AdapterConfig;
import org.sparkfinetune.model.peft.AdapterFiles;
import org.sparkfinetune.model.peft.LoraModules.AllLinear;
import org.sparkfinetune.model.peft.LoraModules.Names;
import org.sparkfinetune.model.peft.LoraTargets.AdapterNames;
import org.sparkfinetune.model.safetensors.DType;
import org.sparkfinetune.model.safetensors.SafetensorsWriter;
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
    if (config.method() == Method.FULL) {
      model(folder.model());
      ModelFiles.copy(config.model(), folder.model(), store);
    } else {
      adapter(folder.adapter(), config.model(), lora);
    }
  }

  /** A PEFT adapter folder. */
  private void adapter(Path folder, ModelSource source, AdapterConfig lora) {
    Map<String, String> names = new LinkedHashMap<>();
    List<TensorSpec> specs = new ArrayList<>();
    for (TrainableLayout.Entry entry : entries()) {
      String file = fileName(entry.tensor().name());
      names.put(file, entry.tensor().name());
      specs.add(new TensorSpec(file, DType.F32, entry.tensor().dimensions()));
    }
    AdapterConfig config =
        named(lora)
            .on(
                source.modelId(),
                Optional.of(source.revision()).filter(revision -> !revision.equals(MAIN)));
    AdapterFiles.write(
        folder,
        store,
        config,
        specs,
        (spec, sink) -> write(names.getOrDefault(spec.name(), spec.name()), sink));
  }

  /** A model's weights in float32, for full fine-tuning. */
  private void model(Path folder) {
    List<TensorSpec> specs = new ArrayList<>();
    for (TrainableLayout.Entry entry : entries()) {
      specs.add(new TensorSpec(entry.tensor().name(), DType.F32, entry.tensor().dimensions()));
    }
    try (SafetensorsWriter writer =
        SafetensorsWriter.create(
            new Path(folder, "model.safetensors"), store, Map.of("format", "pt"), specs)) {
      specs.forEach(spec -> write(spec.name(), writer::write));
      writer.commit();
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

  private static String fileName(String tensor) {
    for (String part : List.of(".lora_A.weight", ".lora_B.weight")) {
      if (tensor.endsWith(part)) {
        String module = tensor.substring(0, tensor.length() - part.length());
        return part.contains("_A") ? AdapterNames.loraA(module) : AdapterNames.loraB(module);
      }
    }
    return AdapterNames.saved(tensor);
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
            "chat_template.jinja");

    private ModelFiles() {}

    static void copy(ModelSource source, Path to, Store store) {
      Path from = new Path(source.folder());
      store.copy(from, to, NAMES);
      store.copy(from, to, TokenizerFiles.moreTemplates(from, store));
    }
  }
}
