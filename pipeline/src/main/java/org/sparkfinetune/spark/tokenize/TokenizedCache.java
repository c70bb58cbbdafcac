package org.sparkfinetune.spark.tokenize;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectWriter;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.util.Optional;
import java.util.UUID;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.spark.tokenize.TokenizedDataset.TokenizedSplit;

/**
 * Folders of packed rows by hash. Rows are written aside and renamed; the manifest comes last, and
 * a folder without one counts as not there, as a rename on an object store is a copy that can stop
 * half-way.
 */
public final class TokenizedCache {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final Logger LOG = LoggerFactory.getLogger(TokenizedCache.class);
  private static final String MANIFEST = "tokenized.json";
  private static final String ASIDE = "_tokenized-";

  private record Manifest(String hash, TokenizedSplit train, @Nullable TokenizedSplit test) {}

  private final FileSystem files;
  private final Path root;

  public TokenizedCache(Path root, Configuration configuration) {
    try {
      this.files = root.getFileSystem(configuration);
      this.root = files.makeQualified(root);
    } catch (IOException e) {
      throw new RunFailure("'%s' cannot be reached: %s".formatted(root, e.getMessage()), e);
    }
  }

  private Path folder(String hash) {
    return new Path(root, "tokenized-" + hash.substring(0, 16));
  }

  Path aside(String hash) {
    return new Path(root, ASIDE + hash.substring(0, 16) + "-" + UUID.randomUUID());
  }

  /** Removes what killed drivers left aside; for a folder in which nobody else is at work. */
  public void sweep() {
    try {
      for (FileStatus file : files.exists(root) ? files.listStatus(root) : new FileStatus[0]) {
        if (file.getPath().getName().startsWith(ASIDE)) {
          discard(file.getPath());
        }
      }
    } catch (IOException e) {
      throw failure(root, e);
    }
  }

  public Optional<TokenizedDataset> find(String hash) {
    Path folder = folder(hash);
    try (InputStream in = files.open(new Path(folder, MANIFEST))) {
      Manifest manifest = JSON.readValue(in, Manifest.class);
      return manifest.hash().equals(hash)
          ? Optional.of(
              new TokenizedDataset(
                  folder, hash, manifest.train(), Optional.ofNullable(manifest.test())))
          : Optional.empty();
    } catch (FileNotFoundException e) {
      return Optional.empty();
    } catch (IOException e) {
      throw failure(folder, e);
    }
  }

  /** Makes rows written aside visible; where another run was faster, its equal rows are taken. */
  TokenizedDataset publish(
      Path aside, String hash, TokenizedSplit train, Optional<TokenizedSplit> test) {
    Path folder = folder(hash);
    try {
      Optional<TokenizedDataset> others = find(hash);
      if (others.isPresent()) {
        files.delete(aside, true);
        return others.get();
      }
      files.delete(folder, true);
      deleteUnfinished(aside);
      if (!files.rename(aside, folder)) {
        throw new IOException("cannot rename '%s'".formatted(aside));
      }
      ObjectWriter writer = JSON.writerWithDefaultPrettyPrinter();
      try (OutputStream out = files.create(new Path(folder, MANIFEST), true)) {
        out.write(writer.writeValueAsBytes(new Manifest(hash, train, test.orElse(null))));
      }
      return new TokenizedDataset(folder, hash, train, test);
    } catch (IOException e) {
      throw failure(folder, e);
    }
  }

  /** What tasks left whose executors died. */
  private void deleteUnfinished(Path aside) throws IOException {
    for (FileStatus file : files.listStatus(aside)) {
      if (file.getPath().getName().startsWith(WritePackedRows.ASIDE)) {
        files.delete(file.getPath(), false);
      }
    }
  }

  void discard(Path aside) {
    try {
      files.delete(aside, true);
    } catch (IOException e) {
      // What failed before is the news; leftovers aside are never read.
      LOG.warn("Leftovers in {} could not be removed: {}", aside, e.getMessage());
    }
  }

  private static RunFailure failure(Path folder, IOException e) {
    return new RunFailure(
        "The packed rows in '%s' cannot be read or written: %s. Check the rights and the space there."
            .formatted(folder, e.getMessage()),
        e);
  }
}
