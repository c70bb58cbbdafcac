package org.sparkfinetune.model.hub;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.sparkfinetune.model.hub.HubDownload.Checksum;
import org.sparkfinetune.model.hub.HubRepository.HubSnapshot;
import org.sparkfinetune.store.Store;

/**
 * The folder of one repository in the cache:
 *
 * <pre>
 * refs/main                 the commit that main was when last asked
 * snapshots/COMMIT/PATH     files
 * listings/COMMIT.json      all files of that commit, downloaded or not
 * trees/COMMIT.json         the same, as the hub's own library writes it since 1.20
 * partial/CHECKSUM          what has come so far of a file
 * </pre>
 */
final class HubCache {
  private static final ObjectMapper JSON = new ObjectMapper();

  private final Store store;
  private final FileSystem files;
  private final Path root;

  HubCache(HubId id, HubSettings settings, Store store) throws IOException {
    this.store = store;
    this.files = store.fileSystem(settings.cache());
    this.root = new Path(settings.cache(), id.cacheName());
  }

  Store store() {
    return store;
  }

  /** For files that grow over several processes. */
  FileSystem files() {
    return files;
  }

  Path folder(String commit) {
    return new Path(root, "snapshots/" + commit);
  }

  Path file(String commit, HubFile file) {
    return new Path(folder(commit), file.path());
  }

  Path partial(HubFile file) {
    return new Path(root, "partial/" + file.checksum().hex());
  }

  /** A file that is there was checked when it came; its size tells a torn disk from a whole one. */
  boolean holds(String commit, HubFile file) {
    return store.status(file(commit, file)).filter(at -> at.getLen() == file.size()).isPresent();
  }

  Optional<String> commitOf(String revision) {
    return text(ref(revision)).map(String::strip).filter(text -> !text.isEmpty());
  }

  /** What the commit holds, downloaded or not, as far as that was written down. */
  Optional<HubSnapshot> listing(String commit) throws IOException {
    Optional<String> own = text(listingFile(commit));
    if (own.isPresent()) {
      return Optional.of(HubListing.read(JSON.readTree(own.get())));
    }
    Optional<String> tree = text(new Path(root, "trees/" + commit + ".json"));
    return tree.isEmpty()
        ? Optional.empty()
        : HubListing.readTree(commit, JSON.readTree(tree.get()));
  }

  /**
   * The files of the commit that are here, where nothing says what else it holds: as the hub's own
   * library leaves it. There each is a link to a blob, made once the blob was whole; of one whose
   * blob was deleted nothing is seen.
   */
  Optional<HubSnapshot> found(String commit) throws IOException {
    Path folder = folder(commit);
    if (!store.exists(folder)) {
      return Optional.empty();
    }
    List<HubFile> found = new ArrayList<>();
    find(folder, "", found);
    found.sort(Comparator.comparing(HubFile::path));
    return found.isEmpty() ? Optional.empty() : Optional.of(new HubSnapshot(commit, found));
  }

  private void find(Path folder, String prefix, List<HubFile> found) throws IOException {
    for (FileStatus status : files.listStatus(folder)) {
      String path = prefix + status.getPath().getName();
      if (status.isDirectory()) {
        find(status.getPath(), path + "/", found);
      } else {
        found.add(new HubFile(path, status.getLen(), Checksum.unknown()));
      }
    }
  }

  void remember(String revision, HubSnapshot snapshot) {
    store.replace(listingFile(snapshot.commit()), HubListing.write(snapshot).toString());
    store.replace(ref(revision), snapshot.commit());
  }

  private Optional<String> text(Path path) {
    return store.read(path).map(bytes -> new String(bytes, UTF_8));
  }

  private Path ref(String revision) {
    return new Path(root, "refs/" + revision);
  }

  private Path listingFile(String commit) {
    return new Path(root, "listings/" + commit + ".json");
  }
}
