package org.sparkfinetune.inference.export;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import org.apache.hadoop.fs.Path;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.config.ModelChoice.MergeBase;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.model.safetensors.DType;
import org.sparkfinetune.model.safetensors.Floats;
import org.sparkfinetune.model.safetensors.NamedShape;
import org.sparkfinetune.model.safetensors.ShardedSafetensorsWriter;
import org.sparkfinetune.model.safetensors.TensorInfo;
import org.sparkfinetune.model.safetensors.TensorSpec;
import org.sparkfinetune.progress.Progress;
import org.sparkfinetune.store.Store;

/** Writes a merged model in Hugging Face layout. */
public final class Merge {
  private static final Logger LOG = LoggerFactory.getLogger(Merge.class);

  private final Store store;

  public Merge(Store store) {
    this.store = store;
  }

  /**
   * The folder's weights come last, so that one that was not finished cannot be loaded.
   *
   * @throws UserError if model and adapter do not fit together, or the output is not empty
   */
  public void run(MergeRequest request) {
    requireEmpty(request.output(), store);
    try (MergedWeights weights =
        MergedWeights.open(request.model(), request.adapter(), request.base(), store)) {
      weights.requireMergeable();
      new ModelFolderFiles(store)
          .copy(weights.model().path(), request.output(), weights.isTied(), request.dtype());
      write(weights, request);
    }
  }

  /**
   * The adapter alone, once it is known to fit the model.
   *
   * @throws UserError as {@link #run}
   */
  public void copyAdapter(MergeRequest request) {
    requireEmpty(request.output(), store);
    MergedWeights.open(request.model(), request.adapter(), request.base(), store).close();
    store.copy(
        request.adapter().orElseThrow(),
        request.output(),
        List.of("adapter_model.safetensors", "adapter_config.json"));
  }

  static void requireEmpty(Path output, Store store) {
    if (!store.list(output).isEmpty() || !store.folders(output).isEmpty()) {
      throw new UserError(
          "output is %s, which is not empty. Name another folder, or delete it.".formatted(output));
    }
  }

  private void write(MergedWeights weights, MergeRequest request) {
    List<NamedShape> merged = weights.weights();
    List<TensorInfo> others = weights.model().others();
    List<TensorSpec> specs = new ArrayList<>();
    for (NamedShape weight : merged) {
      DType type = request.dtype().orElseGet(() -> weights.dtype(weight));
      specs.add(new TensorSpec(weights.nameInFile(weight), type, weight.dimensions()));
    }
    others.forEach(one -> specs.add(new TensorSpec(one.name(), one.dtype(), one.shape())));
    long total = specs.stream().mapToLong(TensorSpec::byteCount).sum();
    try (Progress progress = Progress.onStandardError("merge", total, Progress.Unit.BYTES);
        ShardedSafetensorsWriter writer =
            ShardedSafetensorsWriter.create(
                request.output(), store, Map.of("format", "pt"), specs, request.maxShardSize())) {
      Consumer<ByteBuffer> sink = progress.counting(writer::write);
      try (WeightStream stream = new WeightStream(sink)) {
        for (int i = 0; i < merged.size(); i++) {
          NamedShape weight = merged.get(i);
          DType type = specs.get(i).dtype();
          stream.write(
              weights.values(weight),
              weight.elements(),
              (values, count) -> bytes(type, values, count));
          LOG.debug("merged {}", weight.name());
        }
      }
      others.forEach(one -> weights.model().stored(one, sink));
      writer.commit();
    }
  }

  /** The first {@code count} values as numbers of a type. */
  static ByteBuffer bytes(DType type, float[] values, int count) {
    ByteBuffer bytes = ByteBuffer.allocate(count * type.bytes());
    Floats.fromFloats(type, values, 0, count, bytes);
    return bytes.flip();
  }

  /**
   * What to merge, and into what.
   *
   * @param adapter without one the base model is written as it is, or dequantised
   * @param output a folder that is empty or not there
   * @param dtype of all weights of the decoder; without it each weight keeps its own
   * @param maxShardSize bytes of tensor data in a file
   */
  public record MergeRequest(
      Path model,
      Optional<Path> adapter,
      Path output,
      MergeBase base,
      Optional<DType> dtype,
      long maxShardSize) {}
}
