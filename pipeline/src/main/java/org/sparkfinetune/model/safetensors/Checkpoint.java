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
import java.util.function.UnaryOperator;
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
  private final Map<String, Stored> tensors;
  private final Collection<SafetensorsFile> shards;

  private Checkpoint(Path folder, Map<String, Stored> tensors, Collection<SafetensorsFile> shards) {
    this.folder = folder;
    this.tensors = tensors;
    this.shards = shards;
  }

  /** Where a tensor is, and what it is called there. */
  private record Stored(SafetensorsFile shard, String name) {}

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
    Map<String, Stored> tensors = new LinkedHashMap<>();
    file.tensors().keySet().forEach(name -> tensors.put(name, new Stored(file, name)));
    return new Checkpoint(folder, tensors, Set.of(file));
  }

  private static Checkpoint sharded(Path folder, Map<String, String> weightMap, Store store) {
    Map<String, SafetensorsFile> files = new TreeMap<>();
    try {
      Map<String, Stored> tensors = new LinkedHashMap<>();
      weightMap.forEach(
          (tensor, file) -> {
            SafetensorsFile shard =
                files.computeIfAbsent(
                    file, name -> SafetensorsFile.open(new Path(folder, name), store));
            shard.info(tensor);
            tensors.put(tensor, new Stored(shard, tensor));
          });
      return new Checkpoint(folder, tensors, files.values());
    } catch (RuntimeException e) {
      files.values().forEach(SafetensorsFile::close);
      throw e;
    }
  }

  /**
   * The same tensors under other names.
   *
   * @param names from a file's name to the new one
   * @throws UserError if two get the same one
   */
  public Checkpoint named(UnaryOperator<String> names) {
    Map<String, Stored> renamed = new LinkedHashMap<>();
    tensors.forEach(
        (name, stored) -> {
          if (renamed.put(names.apply(name), stored) != null) {
            throw new UserError(
                "The model %s has two tensors for %s. Keep one of them."
                    .formatted(folder, Names.quoted(names.apply(name))));
          }
        });
    return new Checkpoint(folder, renamed, shards);
  }

  /** Names of all tensors. */
  public Set<String> names() {
    return Collections.unmodifiableSet(tensors.keySet());
  }

  /** The tensor's name in its file. */
  public String inFile(String name) {
    return stored(name).name();
  }

  /**
   * Type and shape; the offsets are those in the tensor's own shard.
   *
   * @throws UserError if there is no such tensor
   */
  public TensorInfo info(String name) {
    Stored stored = stored(name);
    return stored.shard().info(stored.name());
  }

  /**
   * Fills {@code dst} from its position to its limit with the tensor's bytes from {@code firstByte}
   * on.
   */
  public void read(String name, long firstByte, ByteBuffer dst) {
    Stored stored = stored(name);
    stored.shard().read(stored.name(), firstByte, dst);
  }

  /** The whole tensor mapped read-only, little endian; nothing if it is not on a local disk. */
  public Optional<ByteBuffer> map(String name) {
    Stored stored = stored(name);
    return stored.shard().map(stored.name());
  }

  /** A range of the tensor, at most 2 GiB, mapped like {@link #map(String)}. */
  public Optional<ByteBuffer> map(String name, long firstByte, long bytes) {
    Stored stored = stored(name);
    return stored.shard().map(stored.name(), firstByte, bytes);
  }

  /** Where the tensor lies on the local disk; nothing if it is elsewhere. */
  public Optional<FileRange> locate(String name) {
    Stored stored = stored(name);
    return stored.shard().locate(stored.name());
  }

  /** The file that holds the tensor, as messages name it. */
  public String where(String name) {
    return stored(name).shard().where();
  }

  private Stored stored(String name) {
    Stored stored = tensors.get(name);
    if (stored == null) {
      throw new UserError(
          "The model %s has no tensor %s. Is it of the family that its config.json says?"
              .formatted(folder, Names.quoted(name)));
    }
    return stored;
  }

  @Override
  public void close() {
    shards.forEach(SafetensorsFile::close);
  }
}
