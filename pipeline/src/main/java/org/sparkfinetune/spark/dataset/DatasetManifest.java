package org.sparkfinetune.spark.dataset;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.net.URI;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.LocatedFileStatus;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.RemoteIterator;
import org.jspecify.annotations.Nullable;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.store.Store;

/**
 * Names every file of a prepared data set with its size, and the sources that were mixed.
 *
 * @param bytes by path under the data set's folder
 * @param sources in the order in which they were given; empty where nothing was mixed
 */
public record DatasetManifest(SortedMap<String, Long> bytes, List<String> sources) {
  /** The file itself; written last. */
  public static final String NAME = "_manifest.json";

  /** There from the first change to the last while a folder is filled in place. */
  public static final String AT_WORK = "_preparing";

  private static final ObjectMapper MAPPER = new ObjectMapper();

  public DatasetManifest {
    bytes = Collections.unmodifiableSortedMap(new TreeMap<>(bytes));
    sources = List.copyOf(sources);
  }

  /** Of the files that are in a folder now. */
  public static DatasetManifest ofFilesIn(Store store, Path folder, List<String> sources)
      throws IOException {
    SortedMap<String, Long> bytes = new TreeMap<>();
    RemoteIterator<LocatedFileStatus> files = store.fileSystem(folder).listFiles(folder, true);
    URI base = URI.create(store.qualified(folder).toUri() + "/").normalize();
    while (files.hasNext()) {
      FileStatus file = files.next();
      bytes.put(base.relativize(file.getPath().toUri()).getPath(), file.getLen());
    }
    bytes.remove(NAME);
    bytes.remove(AT_WORK);
    return new DatasetManifest(bytes, sources);
  }

  public void write(Store store, Path folder) {
    ObjectNode json = MAPPER.createObjectNode();
    ArrayNode entries = json.putArray("files");
    bytes.forEach((path, length) -> entries.addObject().put("path", path).put("bytes", length));
    if (!sources.isEmpty()) {
      sources.forEach(json.putArray("sources")::add);
    }
    store.replace(new Path(folder, NAME), json.toPrettyString() + "\n");
  }

  /**
   * The manifest of a folder that somebody wants to read; empty where a person put the files there.
   *
   * @throws UserError if {@code prepare} has not finished there
   */
  public static Optional<DatasetManifest> find(Store store, Path folder) throws IOException {
    Optional<byte[]> written = store.read(new Path(folder, NAME));
    if (written.isEmpty() && store.exists(new Path(folder, AT_WORK))) {
      throw new UserError(
          "dataset_path: '%s' is not whole: prepare is still at work there, or was killed. Wait for it, or run it again."
              .formatted(folder));
    }
    return written.isEmpty() ? Optional.empty() : Optional.of(parse(written.get()));
  }

  private static DatasetManifest parse(byte[] json) throws IOException {
    SortedMap<String, Long> bytes = new TreeMap<>();
    JsonNode manifest = MAPPER.readTree(json);
    for (JsonNode file : manifest.path("files")) {
      bytes.put(file.path("path").asText(), file.path("bytes").asLong());
    }
    List<String> sources = new ArrayList<>();
    manifest.path("sources").forEach(source -> sources.add(source.asText()));
    return new DatasetManifest(bytes, sources);
  }

  /**
   * Compares files with those that were written: part of a data set would train without a word.
   *
   * @param inside beginning of their paths under the data set's folder
   * @param found all files there
   * @throws UserError if one is missing, too many, or of another size
   */
  public void check(Path folder, String inside, List<FileStatus> found) {
    SortedMap<String, Long> actual = new TreeMap<>();
    for (FileStatus file : found) {
      String path = file.getPath().toString();
      actual.put(path.substring(path.lastIndexOf("/" + inside) + 1), file.getLen());
    }
    SortedSet<String> paths = new TreeSet<>(actual.keySet());
    bytes.keySet().stream().filter(path -> path.startsWith(inside)).forEach(paths::add);
    for (String path : paths) {
      String written = size(bytes.get(path));
      String there = size(actual.get(path));
      if (!written.equals(there)) {
        throw new UserError(
            "dataset_path: '%s' has %s of %s, but prepare wrote %s. Copy the data set again, or run prepare again; if you changed it on purpose, delete %s there."
                .formatted(folder, there, path, written, NAME));
      }
    }
  }

  private static String size(@Nullable Long bytes) {
    return bytes == null ? "nothing" : bytes + " bytes";
  }
}
