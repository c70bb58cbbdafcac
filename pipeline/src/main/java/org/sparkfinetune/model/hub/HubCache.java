package org.sparkfinetune.model.hub;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.util.Optional;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.sparkfinetune.model.hub.HubRepository.HubSnapshot;
import org.sparkfinetune.store.Store;

/**
 * The folder of one repository in the cache:
 *
 * <pre>
 * refs/main                 the commit that main was when last asked
 * snapshots/COMMIT/PATH     files
 * listings/COMMIT.json      all files of that commit, downloaded or not
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

  Optional<HubSnapshot> listing(String commit) throws IOException {
    Optional<String> text = text(listingFile(commit));
    return text.isEmpty()
        ? Optional.empty()
        : Optional.of(HubListing.read(JSON.readTree(text.get())));
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
