package org.sparkfinetune.engine.exchange;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** {@link ShardOffer} on the wire: files with their identities, ranges by file number, nonce. */
final class OfferCodec {
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
