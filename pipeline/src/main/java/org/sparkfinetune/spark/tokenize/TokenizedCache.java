package org.sparkfinetune.spark.tokenize;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.util.Optional;
import org.apache.hadoop.fs.Path;
import org.jspecify.annotations.Nullable;
import org.sparkfinetune.errors.Bug;
import org.sparkfinetune.errors.ParserWords;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.spark.tokenize.TokenizedDataset.TokenizedSplit;
import org.sparkfinetune.store.Staging;
import org.sparkfinetune.store.Store;

/**
 * Folders of packed rows by hash. Rows are staged; the manifest comes last, and a folder without
 * one counts as not there, as a rename on an object store is a copy that can stop half-way.
 */
public final class TokenizedCache {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final String MANIFEST = "tokenized.json";

  private record Manifest(String hash, TokenizedSplit train, @Nullable TokenizedSplit test) {}

  private final Store store;
  private final Path root;

  public TokenizedCache(Path root, Store store) {
    this.store = store;
    this.root = store.qualified(root);
  }

  private Path folder(String hash) {
    return new Path(root, "tokenized-" + hash.substring(0, 16));
  }

  /** Where rows are written until they are {@linkplain #publish published}. */
  Staging stage(String hash) {
    return store.stage(folder(hash));
  }

  /** Removes what killed drivers left aside; for a folder in which nobody else is at work. */
  public void sweep() {
    store.sweep(root);
  }

  public Optional<TokenizedDataset> find(String hash) {
    Path folder = folder(hash);
    try {
      Optional<byte[]> json = store.read(new Path(folder, MANIFEST));
      if (json.isEmpty()) {
        return Optional.empty();
      }
      Manifest manifest = JSON.readValue(json.get(), Manifest.class);
      return manifest.hash().equals(hash)
          ? Optional.of(
              new TokenizedDataset(
                  folder, hash, manifest.train(), Optional.ofNullable(manifest.test())))
          : Optional.empty();
    } catch (IOException e) {
      throw new RunFailure(
          "The packed rows in '%s' cannot be read: %s. Delete the folder, and they are made again."
              .formatted(folder, ParserWords.of(String.valueOf(e.getMessage()))),
          e);
    }
  }

  /** Makes staged rows visible; where another run was faster, its equal rows are taken. */
  TokenizedDataset publish(
      Staging staged, String hash, TokenizedSplit train, Optional<TokenizedSplit> test) {
    Optional<TokenizedDataset> others = find(hash);
    if (others.isPresent()) {
      return others.get();
    }
    Path folder = folder(hash);
    // What tasks left whose executors died.
    store.sweep(staged.path());
    staged.publish();
    try {
      store.replace(
          new Path(folder, MANIFEST),
          JSON.writerWithDefaultPrettyPrinter()
              .writeValueAsBytes(new Manifest(hash, train, test.orElse(null))));
    } catch (JsonProcessingException e) {
      throw new Bug("The counts of packed rows are not JSON.", e);
    }
    return new TokenizedDataset(folder, hash, train, test);
  }
}
