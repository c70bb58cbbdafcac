package org.sparkfinetune.engine.exchange;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.engine.exchange.Shard.FileRange;

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

  /** {@link ShardOffer} on the wire: files with their identities, ranges by file number, nonce. */
  static final class OfferCodec {
    private OfferCodec() {}

    static ByteBuffer encode(ShardOffer offer) {
      ByteArrayOutputStream bytes = new ByteArrayOutputStream();
      try (DataOutputStream out = new DataOutputStream(bytes)) {
        List<Path> files = List.copyOf(offer.identities().keySet());
        out.writeInt(files.size());
        for (Path file : files) {
          out.writeUTF(file.toString());
          out.writeUTF(offer.identities().getOrDefault(file, ""));
        }
        out.writeInt(offer.shard().ranges().size());
        for (FileRange range : offer.shard().ranges()) {
          out.writeInt(files.indexOf(range.file()));
          out.writeLong(range.offset());
          out.writeLong(range.length());
        }
        out.writeBoolean(offer.nonce().isPresent());
        if (offer.nonce().isPresent()) {
          out.writeUTF(offer.nonce().get().file().toString());
          out.write(offer.nonce().get().bytes());
        }
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
      return ByteBuffer.wrap(bytes.toByteArray());
    }

    static ShardOffer decode(ByteBuffer message) {
      byte[] bytes = new byte[message.remaining()];
      message.duplicate().get(bytes);
      try (DataInputStream in = new DataInputStream(new ByteArrayInputStream(bytes))) {
        Map<Path, String> identities = new LinkedHashMap<>();
        int files = in.readInt();
        for (int i = 0; i < files; i++) {
          identities.put(Path.of(in.readUTF()), in.readUTF());
        }
        List<Path> paths = List.copyOf(identities.keySet());
        List<FileRange> ranges = new ArrayList<>();
        int count = in.readInt();
        for (int i = 0; i < count; i++) {
          ranges.add(new FileRange(paths.get(in.readInt()), in.readLong(), in.readLong()));
        }
        return new ShardOffer(new Shard(ranges), identities, nonce(in));
      } catch (IOException | RuntimeException e) {
        throw new IllegalArgumentException("not a shard's description: " + e, e);
      }
    }

    private static Optional<Nonce> nonce(DataInputStream in) throws IOException {
      if (!in.readBoolean()) {
        return Optional.empty();
      }
      Path file = Path.of(in.readUTF());
      return Optional.of(new Nonce(file, in.readNBytes(Nonce.LENGTH)));
    }
  }
}
