package org.sparkfinetune.model.safetensors;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.Collection;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.store.Store;

/**
 * The weights in a Hugging Face model folder: {@code model.safetensors}, or the shards that {@code
 * model.safetensors.index.json} names. All headers are read by {@link #open}, so that a missing or
 * broken shard is found before any work. Safe for any number of threads.
 */
public final class Checkpoint implements AutoCloseable {
  static final String SINGLE = "model.safetensors";
  static final String INDEX = "model.safetensors.index.json";

  private final Path folder;
  private final Map<String, SafetensorsFile> shardOf;
  private final Collection<SafetensorsFile> shards;

  private Checkpoint(
      Path folder, Map<String, SafetensorsFile> shardOf, Collection<SafetensorsFile> shards) {
    this.folder = folder;
    this.shardOf = shardOf;
    this.shards = shards;
  }

  /**
   * Opens a model folder.
   *
   * @throws UserError if the folder holds no safetensors weights, or anything about them is wrong
   */
  public static Checkpoint open(Path folder, Store store) {
    try {
      FileSystem fileSystem = store.fileSystem(folder);
      if (fileSystem.exists(new Path(folder, SINGLE))) {
        return single(folder, SafetensorsFile.open(new Path(folder, SINGLE), store));
      }
      if (fileSystem.exists(new Path(folder, INDEX))) {
        return sharded(folder, ShardIndex.read(fileSystem, new Path(folder, INDEX)), store);
      }
      throw new UserError(
          "%s has neither %s nor %s. Only safetensors weights are read, because pickled ones can run code; convert the model, or give the folder that holds them."
              .formatted(folder, SINGLE, INDEX));
    } catch (IOException e) {
      throw new UserError("The model folder " + folder + " cannot be read: " + e.getMessage(), e);
    }
  }

  /** A single file of any name. */
  public static Checkpoint openFile(Path file, Store store) {
    return single(file, SafetensorsFile.open(file, store));
  }

  private static Checkpoint single(Path folder, SafetensorsFile file) {
    Map<String, SafetensorsFile> shardOf = new LinkedHashMap<>();
    file.tensors().keySet().forEach(name -> shardOf.put(name, file));
    return new Checkpoint(folder, shardOf, Set.of(file));
  }

  private static Checkpoint sharded(Path folder, Map<String, String> weightMap, Store store) {
    Map<String, SafetensorsFile> files = new TreeMap<>();
    try {
      Map<String, SafetensorsFile> shardOf = new LinkedHashMap<>();
      weightMap.forEach(
          (tensor, file) -> {
            SafetensorsFile shard =
                files.computeIfAbsent(
                    file, name -> SafetensorsFile.open(new Path(folder, name), store));
            shard.info(tensor);
            shardOf.put(tensor, shard);
          });
      return new Checkpoint(folder, shardOf, files.values());
    } catch (RuntimeException e) {
      files.values().forEach(SafetensorsFile::close);
      throw e;
    }
  }

  /** Names of all tensors. */
  public Set<String> names() {
    return Collections.unmodifiableSet(shardOf.keySet());
  }

  /**
   * Type and shape; the offsets are those in the tensor's own shard.
   *
   * @throws UserError if there is no such tensor
   */
  public TensorInfo info(String name) {
    return shard(name).info(name);
  }

  /**
   * Fills {@code dst} from its position to its limit with the tensor's bytes from {@code firstByte}
   * on.
   */
  public void read(String name, long firstByte, ByteBuffer dst) {
    shard(name).read(name, firstByte, dst);
  }

  /** The whole tensor mapped read-only, little endian; nothing if it is not on a local disk. */
  public Optional<ByteBuffer> map(String name) {
    return shard(name).map(name);
  }

  /** A range of the tensor, at most 2 GiB, mapped like {@link #map(String)}. */
  public Optional<ByteBuffer> map(String name, long firstByte, long bytes) {
    return shard(name).map(name, firstByte, bytes);
  }

  /** Where the tensor lies on the local disk; nothing if it is elsewhere. */
  public Optional<FileRange> locate(String name) {
    return shard(name).locate(name);
  }

  /** The file that holds the tensor, as messages name it. */
  public String where(String name) {
    return shard(name).where();
  }

  private SafetensorsFile shard(String name) {
    SafetensorsFile shard = shardOf.get(name);
    if (shard == null) {
      throw new UserError(
          "The model %s has no tensor %s. Is it of the family that its config.json says?"
              .formatted(folder, Names.quoted(name)));
    }
    return shard;
  }

  @Override
  public void close() {
    shards.forEach(SafetensorsFile::close);
  }
}
