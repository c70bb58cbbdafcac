package org.sparkfinetune.model.hub;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.util.Optional;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.ChecksumFileSystem;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.sparkfinetune.model.hub.HubRepository.HubSnapshot;

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

  private final FileSystem files;
  private final Path root;

  HubCache(HubId id, HubSettings settings, Configuration hadoop) throws IOException {
    FileSystem given = settings.cache().getFileSystem(hadoop);
    // Without the checksum files that Hadoop puts beside every local file; those cannot be
    // appended to either.
    this.files = given instanceof ChecksumFileSystem checked ? checked.getRawFileSystem() : given;
    this.root = new Path(settings.cache(), id.cacheName());
  }

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
  boolean holds(String commit, HubFile file) throws IOException {
    try {
      return files.getFileStatus(file(commit, file)).getLen() == file.size();
    } catch (FileNotFoundException e) {
      return false;
    }
  }

  Optional<String> commitOf(String revision) throws IOException {
    return read(ref(revision)).map(String::strip).filter(text -> !text.isEmpty());
  }

  Optional<HubSnapshot> listing(String commit) throws IOException {
    Optional<String> text = read(listingFile(commit));
    return text.isEmpty()
        ? Optional.empty()
        : Optional.of(HubListing.read(JSON.readTree(text.get())));
  }

  void remember(String revision, HubSnapshot snapshot) throws IOException {
    write(listingFile(snapshot.commit()), HubListing.write(snapshot).toString());
    write(ref(revision), snapshot.commit());
  }

  private Path ref(String revision) {
    return new Path(root, "refs/" + revision);
  }

  private Path listingFile(String commit) {
    return new Path(root, "listings/" + commit + ".json");
  }

  private Optional<String> read(Path path) throws IOException {
    try (InputStream in = files.open(path)) {
      return Optional.of(new String(in.readAllBytes(), UTF_8));
    } catch (FileNotFoundException e) {
      return Optional.empty();
    }
  }

  private void write(Path path, String text) throws IOException {
    try (OutputStream out = files.create(path, true)) {
      out.write(text.getBytes(UTF_8));
    }
  }
}
