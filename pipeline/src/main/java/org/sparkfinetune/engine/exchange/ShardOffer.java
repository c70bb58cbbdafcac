package org.sparkfinetune.engine.exchange;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What a rank tells its peers about its shard: the ranges, what identifies the files on their host,
 * and the nonce (empty: do not map).
 */
record ShardOffer(Shard shard, Map<Path, String> identities, Optional<Nonce> nonce) {
  private static final Logger LOG = LoggerFactory.getLogger(ShardOffer.class);

  ShardOffer {
    identities = Map.copyOf(identities);
  }

  /** Writes the nonce; without one (no POSIX permissions, no space) peers fetch instead. */
  static ShardOffer of(Shard shard) throws IOException {
    Map<Path, String> identities = new TreeMap<>();
    for (FileRange range : shard.ranges()) {
      if (!identities.containsKey(range.file())) {
        identities.put(range.file(), identity(range.file()));
      }
    }
    return new ShardOffer(shard, identities, nonce(shard.ranges()));
  }

  private static Optional<Nonce> nonce(List<FileRange> ranges) {
    if (ranges.isEmpty()) {
      return Optional.empty();
    }
    Path first = ranges.get(0).file();
    try {
      return Optional.of(Nonce.beside(first));
    } catch (IOException | UnsupportedOperationException e) {
      LOG.info("Peers will fetch {} over the network: no nonce could be written: {}", first, e);
      return Optional.empty();
    }
  }

  /** The peer's files mapped, if they are the same files here. */
  Optional<MappedShard> mapIfSame() {
    if (nonce.isEmpty() || !nonce.get().isFound()) {
      return Optional.empty();
    }
    try {
      for (Map.Entry<Path, String> file : identities.entrySet()) {
        if (!identity(file.getKey()).equals(file.getValue())) {
          return Optional.empty();
        }
      }
      return Optional.of(MappedShard.open(shard));
    } catch (IOException | RuntimeException e) {
      LOG.info(
          "A peer's shard is on this host but cannot be mapped, fetching it: {}", e.toString());
      return Optional.empty();
    }
  }

  /**
   * Size, time of change, device and inode: the nonce alone would not notice another mount here.
   */
  private static String identity(Path file) throws IOException {
    BasicFileAttributes attributes = Files.readAttributes(file, BasicFileAttributes.class);
    return "%s %s %s"
        .formatted(
            attributes.size(), attributes.lastModifiedTime().toMillis(), attributes.fileKey());
  }
}
