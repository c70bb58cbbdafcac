package org.sparkfinetune.model.hub;

import static java.nio.charset.StandardCharsets.US_ASCII;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.security.MessageDigest;
import java.util.HexFormat;
import org.apache.commons.codec.digest.DigestUtils;
import org.apache.hadoop.fs.CommonPathCapabilities;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.sparkfinetune.errors.Bug;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.model.hub.HubClient.HubAnswer;
import org.sparkfinetune.store.Retry;

/**
 * Brings one file into the cache. A connection that breaks is taken up where it broke; so is a
 * process that died, on file systems that can append (an object store keeps nothing of a file that
 * was not finished).
 */
final class HubDownload {
  private static final int BUFFER = 1 << 18;

  private final HubClient client;
  private final HubCache cache;
  private final Retry retry;
  private final String commit;
  private final HubFile file;
  private final byte[] buffer = new byte[BUFFER];
  private MessageDigest digest;
  private long have;

  HubDownload(HubClient client, HubCache cache, Retry retry, String commit, HubFile file) {
    this.client = client;
    this.cache = cache;
    this.retry = retry;
    this.commit = commit;
    this.file = file;
    this.digest = file.checksum().begin(file.size());
  }

  /** Returns once the file is in the cache under its name. */
  void run() throws IOException {
    if (!complete(startingPoint())) {
      // What an earlier process left may be what was wrong, so once more from nothing.
      cache.store().delete(cache.partial(file));
      if (!complete(0)) {
        cache.store().delete(cache.partial(file));
        throw new RunFailure(
            "%s came with other bytes than the hub promised (%s %s), twice. Something between here and the hub changes files; use another mirror (HF_ENDPOINT) or network."
                .formatted(file.path(), file.checksum().kind(), file.checksum().hex()));
      }
    }
    publish();
  }

  /** Bytes that an earlier process left and that can be added to. */
  private long startingPoint() throws IOException {
    Path partial = cache.partial(file);
    if (!cache.files().hasPathCapability(partial, CommonPathCapabilities.FS_APPEND)) {
      return 0;
    }
    long length = cache.store().status(partial).map(FileStatus::getLen).orElse(0L);
    if (length == 0 || length > file.size()) {
      return 0;
    }
    try {
      // HDFS may still hold the file for the process that died; then it is begun anew.
      cache.files().append(partial, BUFFER).close();
      return length;
    } catch (IOException e) {
      HubRepository.LOG.info("{} cannot be continued: {}", partial, e.getMessage());
      return 0;
    }
  }

  private boolean complete(long start) throws IOException {
    Path partial = cache.partial(file);
    digest = file.checksum().begin(file.size());
    have = start;
    if (start > 0) {
      digestFirst(partial, start);
    }
    try (OutputStream out = opened(partial, start)) {
      fetchAll(out);
    }
    // The length too: another process may have written to the same file.
    return file.checksum().fits(digest)
        && cache.files().getFileStatus(partial).getLen() == file.size();
  }

  private OutputStream opened(Path partial, long start) throws IOException {
    FileSystem files = cache.files();
    return start > 0 ? files.append(partial, BUFFER) : files.create(partial, true, BUFFER);
  }

  private void digestFirst(Path partial, long bytes) throws IOException {
    try (InputStream in = cache.files().open(partial)) {
      for (long left = bytes; left > 0; ) {
        int read = in.read(buffer, 0, (int) Math.min(left, buffer.length));
        if (read < 0) {
          throw new IOException(partial + " is shorter than it was a moment ago");
        }
        digest.update(buffer, 0, read);
        left -= read;
      }
    }
  }

  private void fetchAll(OutputStream out) throws IOException {
    try {
      if (have < file.size()) {
        retry.call(file.path(), progressed -> fetchMore(out, progressed));
      }
    } catch (UncheckedIOException e) {
      throw e.getCause();
    }
  }

  /** All that is missing, or as much as comes. */
  private long fetchMore(OutputStream out, Runnable progressed) throws IOException {
    long before = have;
    try {
      fetch(out);
    } finally {
      if (have > before) {
        progressed.run();
      }
    }
    if (have < file.size()) {
      throw new IOException(
          "the connection ended after %s of %s bytes".formatted(have, file.size()));
    }
    return have;
  }

  private void fetch(OutputStream out) throws IOException {
    try (HubAnswer answer = client.open(commit, file, have)) {
      try (InputStream in = answer.body()) {
        if (answer.status() != 206) {
          in.skipNBytes(have);
        }
        for (int read = in.read(buffer); read > 0 && have < file.size(); read = in.read(buffer)) {
          int wanted = (int) Math.min(read, file.size() - have);
          store(out, wanted);
          digest.update(buffer, 0, wanted);
          have += wanted;
        }
      }
    }
  }

  /** Unchecked where the cache's disk fails, which asking the hub again does not mend. */
  private void store(OutputStream out, int bytes) {
    try {
      out.write(buffer, 0, bytes);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private void publish() throws IOException {
    Path target = cache.file(commit, file);
    cache.files().mkdirs(target.getParent());
    try {
      cache.store().rename(cache.partial(file), target);
    } catch (RunFailure e) {
      // Another process may have been faster with the same bytes.
      if (!cache.holds(commit, file)) {
        throw e;
      }
    }
  }

  /**
   * What a file's bytes must hash to.
   *
   * @param hex lower case
   */
  public record Checksum(Kind kind, String hex) {
    /** The hub knows large files by their SHA-256 and small ones as git does. */
    public enum Kind {
      SHA256,
      /** SHA-1 over {@code "blob " + size + "\0"} and the bytes. */
      GIT_BLOB,
      /** Of a file that is here and of which no hub was asked; it is never downloaded. */
      UNKNOWN
    }

    static Checksum unknown() {
      return new Checksum(Kind.UNKNOWN, "");
    }

    /** A digest that has yet to see the file's bytes, all of them and in order. */
    MessageDigest begin(long size) {
      return switch (kind) {
        case SHA256 -> DigestUtils.getSha256Digest();
        case GIT_BLOB -> {
          MessageDigest digest = DigestUtils.getSha1Digest();
          digest.update(("blob " + size + "\0").getBytes(US_ASCII));
          yield digest;
        }
        case UNKNOWN -> throw new Bug("A file that nobody knows the checksum of is downloaded.");
      };
    }

    boolean fits(MessageDigest complete) {
      return HexFormat.of().formatHex(complete.digest()).equals(hex);
    }
  }
}
