package org.sparkfinetune.engine.train;

import java.io.IOException;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.Arrays;
import java.util.Optional;
import org.apache.commons.codec.digest.DigestUtils;
import org.apache.hadoop.fs.FileStatus;
import org.sparkfinetune.config.TrainConfig;
import org.sparkfinetune.engine.fsdp.ShardStore;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.store.Store;

/**
 * Where a host keeps shard files between runs: the folder named by {@code SPARK_FINETUNE_SHARDS},
 * without it {@code .cache/spark-finetune/shards} in the home folder; nowhere if it is empty.
 */
final class ShardCache implements AutoCloseable {
  static final String VARIABLE = "SPARK_FINETUNE_SHARDS";

  /** Changes with the layout of shard files. */
  private static final String FORMAT = "1";

  private static final int KEY_DIGITS = 32;

  private final Optional<ShardStore> store;

  private ShardCache(Optional<ShardStore> store) {
    this.store = store;
  }

  /** Nowhere, too, for a run that does not say which model it is of. */
  static ShardCache of(
      TrainConfig config, ModelRecipe recipe, ResumeState continuation, Store store) {
    String named = System.getenv(VARIABLE);
    Path folder =
        named == null
            ? Path.of(System.getProperty("user.home"), ".cache", "spark-finetune", "shards")
            : Path.of(named);
    if (folder.toString().isEmpty() || continuation.identity().values().isEmpty()) {
      return new ShardCache(Optional.empty());
    }
    String key = key(config.model().folder(), recipe, continuation, store);
    return new ShardCache(Optional.of(new ShardStore(folder, key, InstantSource.system())));
  }

  Optional<ShardStore> store() {
    return store;
  }

  /** To be called when this rank's shard is not served any more. */
  @Override
  public void close() {
    store.ifPresent(ShardStore::close);
  }

  /** Paths and times of change are in it: the identity does not read every byte of the model. */
  private static String key(
      String model, ModelRecipe recipe, ResumeState continuation, Store store) {
    StringBuilder text = new StringBuilder(FORMAT).append(recipe.plainType());
    for (ModelGroups.Group group : ModelGroups.of(recipe.config(), recipe.method())) {
      text.append(group.name()).append(group.quantized()).append(group.plain());
    }
    text.append(continuation.identity().values().get("hash of the model"));
    try {
      org.apache.hadoop.fs.Path folder = new org.apache.hadoop.fs.Path(model);
      FileStatus[] files = store.fileSystem(folder).listStatus(folder);
      Arrays.sort(files);
      for (FileStatus file : files) {
        text.append('\n').append(file.getPath()).append(' ').append(file.getLen());
        text.append(' ').append(file.getModificationTime());
      }
      return DigestUtils.sha256Hex(text.toString()).substring(0, KEY_DIGITS);
    } catch (IOException e) {
      throw new RunFailure("The model folder " + model + " cannot be listed: " + e.getMessage(), e);
    }
  }
}
