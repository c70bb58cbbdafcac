package org.sparkfinetune.store;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.time.Instant;
import java.time.format.DateTimeParseException;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.UUID;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.hadoop.fs.Path;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.errors.UserError;

/**
 * A folder whose adapter is replaced while others read it. Each adapter that was put there is a
 * version, {@code versions/2026-11-29-5d1c9a30/}, whole and never changed: {@code adapter/}, the
 * {@code config.yaml} of its run, {@code evaluation.json}. {@code current.json} names one of them
 * and is replaced in one move on every store. Our commands {@linkplain #followed follow} it, so
 * they read the files of one version, and a version stays for an hour after it was replaced.
 *
 * <p>For everybody else the folder itself holds the three under their plain names:
 *
 * <ul>
 *   <li>On a local disk as links through {@code current}, a link that is replaced in one move.
 *   <li>On HDFS, which has no links, as copies. While {@code adapter_config.json} stays as it is,
 *       the weights are replaced in one move. No store renames two files in one move; so where the
 *       configuration changes as well, the folder is renamed away and the new one into its place.
 *       For the moment between the two a reader finds none, which beats weights under a
 *       configuration that they were not trained with.
 *   <li>On an object store not at all: it renames nothing.
 * </ul>
 *
 * One promotion at a time.
 */
public final class PromotedFolder {
  private static final String ADAPTER = "adapter";
  private static final String ADAPTER_CONFIG = "adapter_config.json";
  private static final String CONFIG = "config.yaml";
  private static final String EVALUATION = "evaluation.json";
  private static final String VERSIONS = "versions";
  private static final String CURRENT = "current";
  private static final String OLD = ".adapter.old";

  /** An object that is replaced after a look at its length is refused, or comes cut off. */
  private static final Retry REPLACED_MEANWHILE =
      Retry.backoff(
          5, Duration.ofMillis(50), e -> e instanceof RunFailure || e instanceof UserError);

  private final Path folder;
  private final Store files;

  public PromotedFolder(Path folder, Store files) {
    this.folder = folder;
    this.files = files;
  }

  /** The promoted folder that a user means by its own name or by that of its adapter, if any. */
  public static Optional<PromotedFolder> named(Path path, Store files) {
    Stream<Path> parent =
        path.getName().equals(ADAPTER) ? Stream.ofNullable(path.getParent()) : Stream.empty();
    return Stream.concat(parent, Stream.of(path))
        .map(folder -> new PromotedFolder(folder, files))
        .filter(folder -> folder.current().isPresent())
        .findFirst();
  }

  /** The adapter that is meant: where it is a promoted folder's, that of the current version. */
  public static Path followed(Path path, Store files) {
    return named(path, files)
        .flatMap(folder -> folder.current().map(version -> folder.version(version.name())))
        .map(version -> new Path(version, ADAPTER))
        .orElse(path);
  }

  public Path path() {
    return folder;
  }

  /** By its plain name, which is to be {@linkplain #followed}; empty where nothing was promoted. */
  public Optional<Path> adapter() {
    Path shown = new Path(folder, ADAPTER);
    return current().isPresent() || files.exists(new Path(shown, ADAPTER_CONFIG))
        ? Optional.of(shown)
        : Optional.empty();
  }

  private Optional<CurrentVersion> current() {
    return REPLACED_MEANWHILE.ask(
        () -> files.read(file()).map(json -> CurrentVersion.parse(json, file())));
  }

  private Path file() {
    return new Path(folder, CURRENT + ".json");
  }

  private Path version(String name) {
    return new Path(new Path(folder, VERSIONS), name);
  }

  /** Shows the current adapter under its plain name where a killed promotion left none. */
  public void repair() {
    current()
        .filter(version -> files.renamesFolders(folder))
        .filter(version -> !files.exists(new Path(new Path(folder, ADAPTER), ADAPTER_CONFIG)))
        .ifPresent(version -> show(version(version.name())));
  }

  /** Makes a run's adapter the current one. */
  public void add(Path adapter, String report) {
    deleteUnfinished();
    Instant now = files.clock().instant();
    String name = CurrentVersion.newName(now);
    Path version = version(name);
    copy(adapter, new Path(version, ADAPTER));
    files.copy(adapter.getParent(), version, List.of(CONFIG));
    files.replace(new Path(version, EVALUATION), report);
    CurrentVersion current =
        current()
            .map(before -> before.replacedBy(name, now))
            .orElseGet(() -> new CurrentVersion(name, new TreeMap<>()));
    files.replace(file(), current.json());
    show(version);
    deleteUnfinished();
    files.folders(new Path(folder, VERSIONS)).stream()
        .filter(old -> !current.names().contains(old.getName()))
        .forEach(files::delete);
  }

  /** What is made aside, and what a killed promotion left there. */
  private void deleteUnfinished() {
    files.sweep(folder);
    files.delete(new Path(folder, OLD));
  }

  private void copy(Path from, Path to) {
    files.copy(from, to, files.list(from).stream().map(Path::getName).toList());
  }

  private void show(Path version) {
    if (!files.renamesFolders(folder)) {
      // Of a time when nothing named the current one.
      List.of(ADAPTER, CONFIG, EVALUATION).forEach(name -> files.delete(new Path(folder, name)));
    } else if (!link(version)) {
      showCopies(version);
    }
  }

  /** False where there are no links. */
  private boolean link(Path version) {
    try {
      Optional<java.nio.file.Path> local = files.local(folder);
      if (local.isEmpty()) {
        return false;
      }
      java.nio.file.Path target = java.nio.file.Path.of(VERSIONS, version.getName());
      try {
        replaceLink(local.get().resolve(CURRENT), target);
      } catch (UnsupportedOperationException | IOException e) {
        if (Files.isSymbolicLink(local.get().resolve(ADAPTER))) {
          throw failed(version, e);
        }
        return false;
      }
      for (String name : List.of(CONFIG, EVALUATION, ADAPTER)) {
        replaceLink(local.get().resolve(name), java.nio.file.Path.of(CURRENT, name));
      }
      return true;
    } catch (IOException e) {
      throw failed(version, e);
    }
  }

  private static void replaceLink(java.nio.file.Path link, java.nio.file.Path target)
      throws IOException {
    if (Files.isSymbolicLink(link) && Files.readSymbolicLink(link).equals(target)) {
      return;
    }
    java.nio.file.Path aside = link.resolveSibling("." + link.getFileName() + ".tmp");
    Files.deleteIfExists(aside);
    Files.createSymbolicLink(aside, target);
    if (Files.isDirectory(link, LinkOption.NOFOLLOW_LINKS)) {
      // A copy, of a time before the links: only here a rename does not replace.
      Files.move(link, link.resolveSibling(OLD));
    }
    Files.move(aside, link, StandardCopyOption.ATOMIC_MOVE);
  }

  private void showCopies(Path version) {
    Path shown = new Path(folder, ADAPTER);
    try (Staging staged = files.stage(shown)) {
      Path aside = staged.path();
      copy(new Path(version, ADAPTER), aside);
      if (!files.exists(shown)) {
        staged.publish();
      } else if (sameConfiguration(aside, shown)) {
        Set<String> names =
            files.list(aside).stream().map(Path::getName).collect(Collectors.toSet());
        names.forEach(name -> files.rename(new Path(aside, name), new Path(shown, name)));
        files.list(shown).stream()
            .filter(file -> !names.contains(file.getName()))
            .forEach(files::delete);
      } else {
        files.swap(aside, shown, new Path(folder, OLD));
      }
    }
    for (String name : List.of(CONFIG, EVALUATION)) {
      files
          .read(new Path(version, name))
          .ifPresent(bytes -> files.replace(new Path(folder, name), bytes));
    }
  }

  private boolean sameConfiguration(Path one, Path other) {
    return Arrays.equals(
        files.read(new Path(one, ADAPTER_CONFIG)).orElse(new byte[0]),
        files.read(new Path(other, ADAPTER_CONFIG)).orElse(new byte[0]));
  }

  private RunFailure failed(Path version, Exception e) {
    return new RunFailure(
        "%s could not be shown in %s: %s; check that the disk has room and lets this user write"
            .formatted(version, folder, e),
        e);
  }

  /**
   * {@code current.json}: which version is the current one, and when each of those before it was
   * replaced that somebody may still be reading.
   */
  private record CurrentVersion(String name, SortedMap<String, Instant> replaced) {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Pattern NAMED = Pattern.compile("versions/([\\w-]+)/adapter");

    /** Readers find the file and then take their time. */
    private static final Duration READ_WITHIN = Duration.ofHours(1);

    CurrentVersion {
      replaced = Collections.unmodifiableSortedMap(new TreeMap<>(replaced));
    }

    /** One that no other promotion ever gives. */
    static String newName(Instant now) {
      String day = now.toString().substring(0, 10);
      return day + "-" + UUID.randomUUID().toString().substring(0, 8);
    }

    /**
     * What a file says.
     *
     * @throws UserError if it names no version
     */
    static CurrentVersion parse(byte[] json, Object file) {
      try {
        JsonNode node = JSON.readTree(json);
        Matcher adapter = NAMED.matcher(node.path("adapter").asText());
        if (!adapter.matches()) {
          throw new IOException("adapter is " + node.path("adapter"));
        }
        SortedMap<String, Instant> replaced = new TreeMap<>();
        for (Map.Entry<String, JsonNode> version : node.path("replaced").properties()) {
          replaced.put(version.getKey(), Instant.parse(version.getValue().asText()));
        }
        return new CurrentVersion(adapter.group(1), replaced);
      } catch (IOException | DateTimeParseException e) {
        throw new UserError(
            "%s does not say which adapter is the current one: %s; wanted: {\"adapter\": \"versions/NAME/adapter\"}, with a NAME that is there. Write that, or delete the file and promote again."
                .formatted(file, e.getMessage()),
            e);
      }
    }

    byte[] json() {
      ObjectNode node = JsonNodeFactory.instance.objectNode();
      node.put("adapter", "versions/%s/adapter".formatted(name));
      ObjectNode times = node.putObject("replaced");
      replaced.forEach((version, time) -> times.put(version, time.toString()));
      return (node + "\n").getBytes(StandardCharsets.UTF_8);
    }

    /** The same folder once another version is the current one. */
    CurrentVersion replacedBy(String next, Instant now) {
      SortedMap<String, Instant> before = new TreeMap<>(replaced);
      before.put(name, now);
      before.values().removeIf(time -> time.isBefore(now.minus(READ_WITHIN)));
      return new CurrentVersion(next, before);
    }

    /** All versions that are to stay. */
    Set<String> names() {
      Set<String> names = new TreeSet<>(replaced.keySet());
      names.add(name);
      return names;
    }
  }
}
