package org.sparkfinetune.model.safetensors;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.apache.hadoop.fs.Path;
import org.sparkfinetune.errors.Bug;
import org.sparkfinetune.store.Store;

/**
 * Writes the weights of a Hugging Face model folder as one stream, cut into shards of at most a
 * given size (a single larger tensor has a shard to itself). The index comes last, so a folder
 * without a finished set of shards cannot be loaded.
 */
public final class ShardedSafetensorsWriter implements AutoCloseable {
  private final Path folder;
  private final Store store;
  private final Map<String, String> metadata;
  private final List<List<TensorSpec>> shards;
  private int next;
  private Optional<SafetensorsWriter> current = Optional.empty();
  private long leftInShard;

  private ShardedSafetensorsWriter(
      Path folder, Store store, Map<String, String> metadata, List<List<TensorSpec>> shards) {
    this.folder = folder;
    this.store = store;
    this.metadata = metadata;
    this.shards = shards;
  }

  /**
   * Plans the shards; nothing is written yet.
   *
   * @param tensors in the order in which their bytes are going to be written
   * @param maxShardSize bytes of tensor data in a shard
   */
  public static ShardedSafetensorsWriter create(
      Path folder,
      Store store,
      Map<String, String> metadata,
      List<TensorSpec> tensors,
      long maxShardSize) {
    return new ShardedSafetensorsWriter(folder, store, metadata, plan(tensors, maxShardSize));
  }

  private static List<List<TensorSpec>> plan(List<TensorSpec> tensors, long maxShardSize) {
    List<List<TensorSpec>> shards = new ArrayList<>(List.of(new ArrayList<>()));
    long size = 0;
    for (TensorSpec tensor : tensors) {
      List<TensorSpec> shard = shards.get(shards.size() - 1);
      if (!shard.isEmpty() && size + tensor.byteCount() > maxShardSize) {
        shard = new ArrayList<>();
        shards.add(shard);
        size = 0;
      }
      shard.add(tensor);
      size += tensor.byteCount();
    }
    return shards;
  }

  /** The next bytes of the data; a piece may run over the end of a tensor or a shard. */
  public void write(ByteBuffer bytes) {
    while (bytes.hasRemaining()) {
      SafetensorsWriter shard = openShard();
      int n = (int) Math.min(leftInShard, bytes.remaining());
      shard.write(bytes.slice(bytes.position(), n));
      bytes.position(bytes.position() + n);
      leftInShard -= n;
    }
  }

  /** Commits the last shard and writes the index. */
  public void commit() {
    finishShard();
    while (next < shards.size()) {
      openShard();
      finishShard();
    }
    if (shards.size() > 1) {
      writeIndex();
    }
  }

  private SafetensorsWriter openShard() {
    if (current.isPresent() && leftInShard > 0) {
      return current.get();
    }
    finishShard();
    if (next == shards.size()) {
      throw new Bug("More bytes were given for " + folder + " than its tensors have.");
    }
    List<TensorSpec> tensors = shards.get(next);
    SafetensorsWriter writer =
        SafetensorsWriter.create(new Path(folder, name(next)), store, metadata, tensors);
    next++;
    leftInShard = tensors.stream().mapToLong(TensorSpec::byteCount).sum();
    current = Optional.of(writer);
    return writer;
  }

  private void finishShard() {
    current.ifPresent(
        writer -> {
          writer.commit();
          writer.close();
        });
    current = Optional.empty();
  }

  private String name(int shard) {
    return shards.size() == 1
        ? Checkpoint.SINGLE
        : String.format(Locale.ROOT, "model-%05d-of-%05d.safetensors", shard + 1, shards.size());
  }

  private void writeIndex() {
    Map<String, String> weightMap = new TreeMap<>(Names.BY_UTF8);
    long total = 0;
    for (int i = 0; i < shards.size(); i++) {
      for (TensorSpec tensor : shards.get(i)) {
        weightMap.put(tensor.name(), name(i));
        total += tensor.byteCount();
      }
    }
    Map<String, Object> index =
        new TreeMap<>(Map.of("metadata", Map.of("total_size", total), "weight_map", weightMap));
    store.replace(new Path(folder, Checkpoint.INDEX), PythonJson.write(index) + "\n");
  }

  @Override
  public void close() {
    current.ifPresent(SafetensorsWriter::close);
  }
}
