package org.sparkfinetune.model.hub;

import java.io.IOException;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.hadoop.fs.Path;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.model.hub.HubClient.HubAccess;
import org.sparkfinetune.model.hub.HubDownload.Checksum;
import org.sparkfinetune.store.Retry;
import org.sparkfinetune.store.Store;

/**
 * A repository of a hub, seen from here.
 *
 * <pre>
 * Path folder = HubRepository.of(id, HubSettings.of(hadoop), store).download(List.of("*.safetensors", "*.json"));
 * </pre>
 *
 * Nothing is downloaded twice. A commit as revision whose files are here needs no hub at all; other
 * revisions are asked for each time, unless offline. What the hub's own library left in the cache
 * counts as what came from here. Not thread-safe.
 */
public final class HubRepository {
  static final Logger LOG = LoggerFactory.getLogger(HubRepository.class);

  private static final Pattern PART = Pattern.compile("(.*-)(\\d+)-of-(\\d{1,6})((?:\\..*)?)");

  private final HubId id;
  private final HubSettings settings;
  private final HubClient client;
  private final HubCache cache;
  private HubAccess access;
  private Optional<HubSnapshot> known = Optional.empty();

  private HubRepository(HubId id, HubSettings settings, HubCache cache) {
    this.id = id;
    this.settings = settings;
    this.client = new HubClient(id, settings);
    this.cache = cache;
    this.access = settings.access();
  }

  /**
   * A repository that nobody asked for yet.
   *
   * @throws UserError if the cache's file system cannot be used
   */
  public static HubRepository of(HubId id, HubSettings settings, Store store) {
    try {
      return new HubRepository(id, settings, new HubCache(id, settings, store));
    } catch (IOException | IllegalArgumentException e) {
      throw new UserError(
          "%s (HF_HUB_CACHE): %s cannot be used: %s"
              .formatted(HubSettings.CACHE, settings.cache(), e.getMessage()),
          e);
    }
  }

  /**
   * Commit and files of the revision; the same for the life of this object.
   *
   * @throws UserError if there is no such repository or revision for us, or, offline, none here
   * @throws RunFailure if the hub or the cache fails
   */
  public HubSnapshot snapshot() {
    if (known.isEmpty()) {
      try {
        known = Optional.of(resolved());
      } catch (IOException e) {
        throw failed(e);
      }
    }
    return known.orElseThrow();
  }

  private HubSnapshot resolved() throws IOException {
    Optional<HubSnapshot> listed = id.isPinned() ? cache.listing(id.revision()) : Optional.empty();
    if (listed.isPresent()) {
      return listed.get();
    }
    if (access == HubAccess.OFFLINE) {
      return cached()
          .orElseThrow(
              () ->
                  new UserError(
                      "%s is not in %s, and the hub may not be asked (HF_HUB_OFFLINE, %s). Go online once, or name a folder instead."
                          .formatted(id, settings.cache(), HubSettings.OFFLINE)));
    }
    HubSnapshot asked;
    try {
      asked = ask();
    } catch (IOException | UserError e) {
      Optional<HubSnapshot> cached = cachedInstead(e);
      if (cached.isPresent()) {
        return cached.get();
      }
      throw e;
    }
    if (id.isPinned() && !asked.commit().equals(id.revision())) {
      throw new RunFailure(
          "%s: the hub answers with commit %s. Check HF_ENDPOINT.".formatted(id, asked.commit()));
    }
    cache.remember(id.revision(), asked);
    return asked;
  }

  /** What the cache knows of the revision without a hub. */
  private Optional<HubSnapshot> cached() throws IOException {
    Optional<String> commit =
        id.isPinned() ? Optional.of(id.revision()) : cache.commitOf(id.revision());
    if (commit.isEmpty()) {
      return Optional.empty();
    }
    Optional<HubSnapshot> listed = cache.listing(commit.get());
    return listed.isPresent() ? listed : cache.found(commit.get());
  }

  /**
   * As the hub's own library does where a hub cannot be reached, or refuses (a token that is not
   * set), but not where it knows better: a revision that is no more.
   */
  private Optional<HubSnapshot> cachedInstead(Exception refusal) throws IOException {
    if (refusal.getCause() instanceof HubRefusal.NoRevision) {
      return Optional.empty();
    }
    Optional<HubSnapshot> cached = cached();
    cached.ifPresent(
        snapshot -> {
          access = HubAccess.OFFLINE;
          LOG.warn(
              "{} is what {} holds of it, commit {}, which may not be the newest: {}",
              id,
              settings.cache(),
              snapshot.commit(),
              refusal.getMessage());
        });
    return cached;
  }

  private HubSnapshot ask() throws IOException {
    return settings.retry().call(id.toString(), progressed -> client.snapshot());
  }

  /**
   * Brings all files that match one of the patterns (see {@link HubFile#matches}).
   *
   * @return the folder that holds them, under their paths in the repository
   * @throws UserError if none matches, or, offline, one is not here
   * @throws RunFailure if the hub or the cache fails
   */
  public Path download(List<String> patterns) {
    List<HubFile> wanted =
        snapshot().files().stream().filter(file -> file.matches(patterns)).toList();
    if (wanted.isEmpty()) {
      throw new UserError(
          "%s has no file %s. There are: %s"
              .formatted(id, String.join(" or ", patterns), shortList(snapshot().files())));
    }
    return downloadFiles(wanted);
  }

  /**
   * Brings these files of {@link #snapshot}.
   *
   * @return the folder that holds them
   */
  public Path downloadFiles(List<HubFile> files) {
    String commit = snapshot().commit();
    files.forEach(this::requireWholeSet);
    try {
      for (HubFile file : files) {
        if (!cache.holds(commit, file)) {
          bring(commit, file);
        }
      }
      return cache.folder(commit);
    } catch (IOException e) {
      throw failed(e);
    }
  }

  /**
   * Those of {@link #snapshot}'s files that a download would bring: the others are here.
   *
   * @throws RunFailure if the cache fails
   */
  public List<HubFile> missing(List<HubFile> files) {
    String commit = snapshot().commit();
    return files.stream().filter(file -> !cache.holds(commit, file)).toList();
  }

  private void bring(String commit, HubFile file) throws IOException {
    if (access == HubAccess.OFFLINE) {
      throw notHere(file.path());
    }
    LOG.info("{}: {} ({} MiB)", id, file.path(), file.size() >> 20);
    new HubDownload(client, cache, settings.retry(), commit, file).run();
  }

  /** Of a file such as {@code model-00001-of-00003.safetensors} the others have to be there too. */
  private void requireWholeSet(HubFile file) {
    Matcher part = PART.matcher(file.path());
    if (file.checksum().kind() != Checksum.Kind.UNKNOWN || !part.matches()) {
      return;
    }
    Set<String> paths = new HashSet<>();
    snapshot().files().forEach(other -> paths.add(other.path()));
    int digits = part.group(2).length();
    int parts = Integer.parseInt(part.group(3));
    int first = paths.contains(part(part, digits, 0)) ? 0 : 1;
    for (int i = first; i < first + parts; i++) {
      String path = part(part, digits, i);
      if (!paths.contains(path)) {
        throw notHere(path);
      }
    }
  }

  private static String part(Matcher of, int digits, int number) {
    return of.group(1)
        + ("%0" + digits + "d").formatted(number)
        + "-of-"
        + of.group(3)
        + of.group(4);
  }

  private UserError notHere(String path) {
    return new UserError(
        "%s of %s is not in %s, and the hub may not be asked (HF_HUB_OFFLINE, %s) or does not answer. Go online once."
            .formatted(path, id, settings.cache(), HubSettings.OFFLINE));
  }

  private static String shortList(List<HubFile> files) {
    List<String> names = files.stream().map(HubFile::path).limit(20).toList();
    return String.join(", ", names) + (files.size() > names.size() ? ", …" : "");
  }

  private RunFailure failed(IOException e) {
    return new RunFailure(
        "%s cannot be downloaded from %s to %s: %s. Check the network (a proxy is told to Java by https.proxyHost), name a mirror by HF_ENDPOINT, or download it elsewhere and name the folder. What has come so far is kept."
            .formatted(id, settings.endpoint(), settings.cache(), Retry.reason(e)),
        e);
  }

  /**
   * A repository at a moment.
   *
   * @param commit 40 hexadecimal digits
   * @param files all of them, by path
   */
  public record HubSnapshot(String commit, List<HubFile> files) {
    public HubSnapshot {
      files = List.copyOf(files);
    }
  }

  /** What a repository holds; the hub keeps the two apart by address. */
  public enum HubKind {
    MODEL("model", "api/models/", ""),
    DATASET("data set", "api/datasets/", "datasets/");

    private final String text;
    private final String api;
    private final String pages;

    HubKind(String text, String api, String pages) {
      this.text = text;
      this.api = api;
      this.pages = pages;
    }

    String text() {
      return text;
    }

    String api() {
      return api;
    }

    String pages() {
      return pages;
    }

    String cachePrefix() {
      return switch (this) {
        case MODEL -> "models--";
        case DATASET -> "datasets--";
      };
    }
  }
}
