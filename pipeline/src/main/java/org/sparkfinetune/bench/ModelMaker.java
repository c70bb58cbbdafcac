package org.sparkfinetune.bench;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.LongConsumer;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.model.family.DecoderConfig;
import org.sparkfinetune.model.family.DecoderFamily.NormWeight;
import org.sparkfinetune.model.family.DecoderWeights;
import org.sparkfinetune.model.safetensors.DType;
import org.sparkfinetune.model.safetensors.Floats;
import org.sparkfinetune.model.safetensors.NamedShape;
import org.sparkfinetune.model.safetensors.ShardedSafetensorsWriter;
import org.sparkfinetune.model.safetensors.TensorSpec;
import org.sparkfinetune.progress.Progress;
import org.sparkfinetune.store.OrderedPieces;
import org.sparkfinetune.store.Store;

/**
 * Writes a model with random weights in Hugging Face layout, bf16, as a stream: the model may be
 * larger than memory. Matrices have standard deviation 1/sqrt(hidden), norms multiply with 1,
 * biases are 0.
 */
public final class ModelMaker {
  private static final long MAX_SHARD_BYTES = 5_000_000_000L;
  private static final int CHUNK_WEIGHTS = 1 << 20;

  private final RandomWeights weights;
  private final long seed;
  private final float norm;
  private final OrderedPieces pieces;
  private LongConsumer drawn = weights -> {};

  private ModelMaker(DecoderConfig config, long seed, OrderedPieces pieces) {
    this.pieces = pieces;
    this.weights = new RandomWeights(1 / StrictMath.sqrt(config.hiddenSize()));
    this.seed = seed;
    this.norm = config.family().normWeight() == NormWeight.ONE_PLUS ? 0 : 1;
  }

  /** How the linears of layers are stored. */
  public enum Storage {
    BF16,
    /** As bitsandbytes stores NF4 with double quantisation. */
    NF4
  }

  /** In bf16, see {@link #write(ModelShape, long, Path, Storage)}. */
  public static void write(ModelShape shape, long seed, Path folder) {
    write(shape, seed, folder, Storage.BF16);
  }

  /**
   * Equal shapes and seeds give equal files, whatever the size of shards. Of a model that reads
   * images, the decoder alone.
   *
   * @param folder made if it is not there; has to hold no model
   */
  public static void write(ModelShape shape, long seed, Path folder, Storage storage) {
    try (OrderedPieces pieces = new OrderedPieces()) {
      Files.createDirectories(folder);
      refuseAnother(folder);
      new ModelMaker(shape.config(), seed, pieces).stream(tensors(shape.config()), folder, storage);
      String json =
          switch (storage) {
            case BF16 -> shape.configJson();
            case NF4 -> Nf4Model.configJson(shape.configJson());
          };
      Files.writeString(folder.resolve("config.json"), json);
    } catch (IOException unwritable) {
      throw new UserError(
          "The folder %s cannot be written: %s".formatted(folder, unwritable.getMessage()),
          unwritable);
    }
  }

  private static void refuseAnother(Path folder) throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      if (files.anyMatch(file -> file.toString().endsWith(".safetensors"))) {
        throw new UserError(
            "The folder %s holds a model already. Name another folder or remove it."
                .formatted(folder));
      }
    }
  }

  private static List<NamedShape> tensors(DecoderConfig config) {
    List<NamedShape> tensors = new ArrayList<>();
    tensors.add(DecoderWeights.embedTokens(config));
    for (int layer = 0; layer < config.numHiddenLayers(); layer++) {
      tensors.addAll(DecoderWeights.layer(config, layer));
    }
    tensors.add(DecoderWeights.finalNorm(config));
    if (!config.tieWordEmbeddings()) {
      tensors.add(DecoderWeights.lmHead(config));
    }
    return tensors.stream()
        .map(tensor -> new NamedShape(config.names().inModel(tensor.name()), tensor.shape()))
        .toList();
  }

  private void stream(List<NamedShape> tensors, Path folder, Storage storage) {
    long draws =
        tensors.stream()
            .mapToLong(
                tensor -> tensor.elements() * (isQuantized(tensor, storage) ? Nf4Model.DRAWS : 1))
            .sum();
    try (Progress progress = Progress.onStandardError("make-model", draws, Progress.Unit.SHARE)) {
      drawn = progress::add;
      stream(tensors, folder, storage, new Nf4Model(this::draw));
    }
  }

  private static boolean isQuantized(NamedShape tensor, Storage storage) {
    return storage == Storage.NF4 && Nf4Model.quantizes(tensor);
  }

  private void stream(List<NamedShape> tensors, Path folder, Storage storage, Nf4Model nf4) {
    List<TensorSpec> specs = new ArrayList<>();
    for (NamedShape tensor : tensors) {
      if (isQuantized(tensor, storage)) {
        specs.addAll(nf4.specs(tensor));
      } else {
        specs.add(new TensorSpec(tensor.name(), DType.BF16, tensor.dimensions()));
      }
    }
    try (ShardedSafetensorsWriter out =
        ShardedSafetensorsWriter.create(
            new org.apache.hadoop.fs.Path(folder.toAbsolutePath().toUri()),
            new Store(new Configuration()),
            Map.of("format", "pt"),
            specs,
            MAX_SHARD_BYTES)) {
      for (NamedShape tensor : tensors) {
        if (isQuantized(tensor, storage)) {
          nf4.write(tensor, out::write);
        } else {
          draw(tensor, out::write);
        }
      }
      out.commit();
    }
  }

  private void draw(NamedShape tensor, Consumer<ByteBuffer> sink) {
    long tensorSeed = RandomWeights.mix(seed + seedOf(tensor.name()));
    pieces.run(
        (tensor.elements() + CHUNK_WEIGHTS - 1) / CHUNK_WEIGHTS,
        piece -> chunk(tensor, tensorSeed, piece * CHUNK_WEIGHTS),
        chunk -> {
          int count = chunk.remaining() / Short.BYTES;
          sink.accept(chunk);
          drawn.accept(count);
        });
  }

  private ByteBuffer chunk(NamedShape tensor, long tensorSeed, long first) {
    int count = (int) Math.min(CHUNK_WEIGHTS, tensor.elements() - first);
    ByteBuffer chunk = ByteBuffer.allocate(count * Short.BYTES);
    if (tensor.shape().size() > 1) {
      weights.fill(chunk, tensorSeed, first);
    } else {
      constant(chunk, tensor.name().endsWith(".bias") ? 0 : norm);
    }
    return chunk.flip();
  }

  private static void constant(ByteBuffer chunk, float value) {
    chunk.order(ByteOrder.LITTLE_ENDIAN);
    while (chunk.hasRemaining()) {
      chunk.putShort(Floats.floatToBf16(value));
    }
  }

  private static long seedOf(String name) {
    long hash = 0;
    for (byte b : name.getBytes(StandardCharsets.UTF_8)) {
      hash = RandomWeights.mix(hash + b);
    }
    return hash;
  }
}
