package org.sparkfinetune.engine.exchange;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;

/**
 * What a rank says to a peer. Written by hand: seven tiny messages, and a reader that trusts
 * nothing.
 */
sealed interface Request {
  /** Opens a connection; answered with the peer's rank. */
  record Hello(int rank, int worldSize) implements Request {
    @Override
    public int tag() {
      return 1;
    }
  }

  /** Sign of life; answered at once. */
  record Ping(int rank) implements Request {
    @Override
    public int tag() {
      return 2;
    }
  }

  /** Answered with a {@link ShardOffer} once the shard is served. */
  record Describe(int rank) implements Request {
    @Override
    public int tag() {
      return 3;
    }
  }

  /** Answered with the value's length once this version is published; then it can be streamed. */
  record Await(int rank, String name, long version) implements Request {
    @Override
    public int tag() {
      return 4;
    }
  }

  /** Head of an upload: a contribution of {@code length} bytes. */
  record Push(int rank, String name, long version, int length) implements Request {
    @Override
    public int tag() {
      return 5;
    }
  }

  /** The sender gave up. */
  record Abort(int rank, String reason) implements Request {
    @Override
    public int tag() {
      return 6;
    }
  }

  /** The sender closes in good order. */
  record Bye(int rank) implements Request {
    @Override
    public int tag() {
      return 7;
    }
  }

  int rank();

  /** Tells the kinds apart on the wire. */
  int tag();

  /** For {@link ByteBuffer} messages of the transport. */
  default ByteBuffer encoded() {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (DataOutputStream out = new DataOutputStream(bytes)) {
      write(out);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return ByteBuffer.wrap(bytes.toByteArray());
  }

  private void write(DataOutputStream out) throws IOException {
    out.writeByte(tag());
    out.writeInt(rank());
    if (this instanceof Hello hello) {
      out.writeInt(hello.worldSize());
    } else if (this instanceof Await await) {
      out.writeUTF(await.name());
      out.writeLong(await.version());
    } else if (this instanceof Push push) {
      out.writeUTF(push.name());
      out.writeLong(push.version());
      out.writeInt(push.length());
    } else if (this instanceof Abort abort) {
      out.writeUTF(abort.reason());
    }
  }

  static Request decoded(ByteBuffer message) {
    byte[] bytes = new byte[message.remaining()];
    message.duplicate().get(bytes);
    try (DataInputStream in = new DataInputStream(new ByteArrayInputStream(bytes))) {
      Request request = read(in);
      if (in.available() > 0) {
        throw new IOException(in.available() + " bytes too many");
      }
      return request;
    } catch (IOException | RuntimeException e) {
      throw new IllegalArgumentException("not a message of the exchange: " + e, e);
    }
  }

  private static Request read(DataInputStream in) throws IOException {
    int tag = in.readUnsignedByte();
    int rank = in.readInt();
    return switch (tag) {
      case 1 -> new Hello(rank, in.readInt());
      case 2 -> new Ping(rank);
      case 3 -> new Describe(rank);
      case 4 -> new Await(rank, in.readUTF(), in.readLong());
      case 5 -> new Push(rank, in.readUTF(), in.readLong(), in.readInt());
      case 6 -> new Abort(rank, in.readUTF());
      case 7 -> new Bye(rank);
      default -> throw new IOException("unknown message " + tag);
    };
  }
}
