package org.sparkfinetune.spark.prepare;

import java.io.FileNotFoundException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.LocatedFileStatus;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.RemoteIterator;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.config.CsvFormat;
import org.sparkfinetune.config.PrepareConfig;
import org.sparkfinetune.config.Source;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.store.Store;

/** Resolves the paths, folders and globs of a request to files, in an order that never varies. */
final class InputFiles {
  private static final String ALLOWED =
      ".json, .jsonl, .ndjson, .csv (each also with .gz or .zst), .parquet";

  private static final Set<String> DESCRIPTIONS = Set.of("dataset_infos.json", "dataset_info.json");
  private static final int MOST_NAMED = 20;
  private static final Logger LOG = LoggerFactory.getLogger(InputFiles.class);

  private final Store store;
  private final List<String> notes = new ArrayList<>();

  InputFiles(Store store) {
    this.store = store;
  }

  List<InputFile> resolve(PrepareConfig config) {
    List<InputFile> files = new ArrayList<>();
    List<Source> sources = config.read();
    for (int i = 0; i < sources.size(); i++) {
      Source source = sources.get(i);
      Named named = new Named(key(config, source), i, InputFile.Origin.INPUT, source.csv());
      add(files, named, TableInput.paths(source.source(), source.input()));
    }
    List<String> testPaths =
        TableInput.paths(config.source(), config.testInput().orElse(List.of()));
    add(files, new Named("test_input", 0, InputFile.Origin.TEST_INPUT, config.csv()), testPaths);
    return List.copyOf(files);
  }

  /** For messages: the key that names what a source reads. */
  static String key(PrepareConfig config, Source source) {
    return config.isMixture() ? "input of the source " + source.name() : "input";
  }

  /**
   * What named some files.
   *
   * @param source the place of their source
   */
  private record Named(String key, int source, InputFile.Origin origin, CsvFormat csv) {}

  /** The files of one path, folder or glob. */
  List<InputFile> resolve(String key, String path, CsvFormat csv) {
    List<InputFile> files = new ArrayList<>();
    add(files, new Named(key, 0, InputFile.Origin.INPUT, csv), List.of(path));
    return List.copyOf(files);
  }

  private void add(List<InputFile> files, Named named, List<String> paths) {
    Map<String, FileStatus> found = new TreeMap<>(Comparator.naturalOrder());
    Map<String, String> versions = new HashMap<>();
    for (String path : paths) {
      if (path.startsWith(HubInput.SCHEME)) {
        HubInput.Downloaded downloaded =
            HubInput.parse(named.key(), path).download(named.origin(), store);
        notes.add(downloaded.source());
        for (FileStatus status : statuses(named.key(), downloaded.files())) {
          found.put(status.getPath().toString(), status);
          versions.put(status.getPath().toString(), downloaded.version());
        }
      } else {
        matches(named.key(), path)
            .forEach(status -> found.put(status.getPath().toString(), status));
      }
    }
    found.forEach(
        (uri, status) ->
            files.add(file(files.size(), named, uri, versions.getOrDefault(uri, ""), status)));
  }

  private static InputFile file(
      int index, Named named, String uri, String version, FileStatus status) {
    String key = named.key();
    String name = status.getPath().getName();
    InputFile.Compression compression = InputFile.Compression.of(name);
    InputFile.Format format = format(key, uri, name);
    if (format == InputFile.Format.PARQUET && compression != InputFile.Compression.NONE) {
      throw new UserError(
          "%s: %s is Parquet inside %s; Parquet compresses its own pages. Unpack it first."
              .formatted(key, uri, compression));
    }
    if (format == InputFile.Format.PARQUET && name.contains(":") && uri.startsWith("file:")) {
      throw new UserError(
          "%s: %s has a colon in its name, and Hadoop opens no Parquet file of such a name on a local disk. Rename it."
              .formatted(key, uri));
    }
    return new InputFile(
        index,
        named.source(),
        uri,
        version,
        named.origin(),
        format,
        compression,
        status.getLen(),
        named.csv());
  }

  private List<FileStatus> statuses(String key, List<Path> paths) {
    List<FileStatus> files = new ArrayList<>();
    for (Path path : paths) {
      try {
        files.add(path.getFileSystem(store.hadoop()).getFileStatus(path));
      } catch (IOException e) {
        throw new UserError("%s: cannot read %s: %s".formatted(key, path, Prepare.oneLine(e)), e);
      }
    }
    return files;
  }

  /**
   * Where files came from that have no address of their own, and which were left out; after {@link
   * #resolve}.
   */
  List<String> notes() {
    return List.copyOf(notes);
  }

  /** Repositories and folders hold pages, pictures and descriptions of themselves beside data. */
  static boolean isData(String name) {
    return formatOf(name).isPresent() && !DESCRIPTIONS.contains(name);
  }

  private static InputFile.Format format(String key, String uri, String name) {
    return formatOf(name)
        .orElseThrow(
            () ->
                new UserError(
                    "%s: cannot tell the format of %s from its name. Allowed endings: %s. Rename it, or name the files by a glob."
                        .formatted(key, uri, ALLOWED)));
  }

  /** Of a file's name, with or without the ending of its compression. */
  static Optional<InputFile.Format> formatOf(String name) {
    String lower = InputFile.Compression.of(name).strippedName(name).toLowerCase(Locale.ROOT);
    if (lower.endsWith(".json") || lower.endsWith(".jsonl") || lower.endsWith(".ndjson")) {
      return Optional.of(InputFile.Format.JSON);
    }
    if (lower.endsWith(".csv")) {
      return Optional.of(InputFile.Format.CSV);
    }
    return lower.endsWith(".parquet") ? Optional.of(InputFile.Format.PARQUET) : Optional.empty();
  }

  private List<FileStatus> matches(String key, String path) {
    try {
      Path pattern = path(path);
      FileSystem fileSystem = pattern.getFileSystem(store.hadoop());
      Optional<FileStatus> named = named(fileSystem, pattern);
      List<FileStatus> files =
          named.filter(FileStatus::isFile).isPresent()
              ? List.of(named.get())
              : within(
                  key,
                  path,
                  fileSystem,
                  named.isPresent() ? List.of(named.get()) : new Glob(fileSystem).matches(pattern));
      if (files.isEmpty()) {
        throw new UserError(
            "%s: %s matches no file. Check the path; relative paths start at %s."
                .formatted(key, path, fileSystem.getWorkingDirectory()));
      }
      return files;
    } catch (IOException | IllegalArgumentException e) {
      throw new UserError("%s: cannot list %s: %s".formatted(key, path, Prepare.oneLine(e)), e);
    }
  }

  /** A name with a colon that is no URI is a relative path. */
  private static Path path(String text) {
    try {
      return new Path(text);
    } catch (IllegalArgumentException e) {
      return new Path("./" + text);
    }
  }

  /** What is there under the very name; it is a glob only where nothing is. */
  private static Optional<FileStatus> named(FileSystem fileSystem, Path pattern)
      throws IOException {
    try {
      return Optional.of(fileSystem.getFileStatus(pattern));
    } catch (FileNotFoundException e) {
      return Optional.empty();
    }
  }

  /** The data among the files that a folder or glob names; pages and licences lie beside them. */
  private List<FileStatus> within(
      String key, String path, FileSystem fileSystem, List<FileStatus> matches) throws IOException {
    List<FileStatus> all = new ArrayList<>();
    for (FileStatus status : matches) {
      addFiles(fileSystem, status, all);
    }
    List<FileStatus> data = all.stream().filter(file -> isData(file.getPath().getName())).toList();
    if (data.size() < all.size()) {
      List<FileStatus> others = new ArrayList<>(all);
      others.removeAll(data);
      String names = named(others);
      if (data.isEmpty()) {
        throw new UserError(
            "%s: %s holds no data, only %s. Allowed endings: %s."
                .formatted(key, path, names, ALLOWED));
      }
      notes.add("%s: no data by their names, so left out: %s.".formatted(key, names));
      LOG.warn("{}: no data by their names, so left out: {}", key, names);
    }
    return data;
  }

  private static String named(List<FileStatus> files) {
    String names =
        files.stream()
            .limit(MOST_NAMED)
            .map(file -> file.getPath().toString())
            .sorted()
            .collect(Collectors.joining(", "));
    int more = files.size() - MOST_NAMED;
    return more > 0 ? "%s and %s more".formatted(names, more) : names;
  }

  private static void addFiles(FileSystem fileSystem, FileStatus status, List<FileStatus> files)
      throws IOException {
    if (status.isFile()) {
      files.add(status);
      return;
    }
    RemoteIterator<LocatedFileStatus> inside = fileSystem.listFiles(status.getPath(), true);
    while (inside.hasNext()) {
      FileStatus file = inside.next();
      if (!isHidden(status.getPath(), file.getPath())) {
        files.add(file);
      }
    }
  }

  /** Spark and Hadoop mark what is no data with a dot or an underscore, folders too. */
  private static boolean isHidden(Path folder, Path file) {
    for (Path at = file; at != null && !at.equals(folder); at = at.getParent()) {
      if (at.getName().startsWith(".") || at.getName().startsWith("_")) {
        return true;
      }
    }
    return false;
  }
}
