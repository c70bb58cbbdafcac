package org.sparkfinetune.engine.train;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.sparkfinetune.engine.tensor.Ops;
import org.sparkfinetune.engine.tensor.Scope;
import org.sparkfinetune.engine.tensor.Tensor;
import org.sparkfinetune.engine.tensor.Tensor.ElementType;
import org.sparkfinetune.errors.RunFailure;

/** Where the inputs of layers wait until backward needs them. */
interface ActivationStore extends AutoCloseable {
  ActivationStore IN_MEMORY = InMemory::new;

  /** As long as the step lasts. Takes {@code x} over: it must not be used any more. */
  Stored keep(Tensor x);

  /** Everything kept so far is forgotten; to be called between steps. */
  default void reset() {}

  @Override
  default void close() {}

  /** One tensor that waits. */
  interface Stored extends AutoCloseable {
    /** The tensor as it was, until {@code scope} or this is closed. */
    Tensor open(Scope scope);

    @Override
    void close();
  }

  /** The tensor itself. */
  record InMemory(Tensor x) implements Stored {
    @Override
    public Tensor open(Scope scope) {
      return x;
    }

    @Override
    public void close() {
      x.close();
    }
  }

  /**
   * Activations in a local file, which the operating system may drop from memory whenever it needs
   * the room; each step writes over the last one's. The file goes with the process.
   */
  final class ActivationFile implements ActivationStore {
    private final Ops ops;
    private final Path file;
    private final FileChannel channel;
    private long end;

    private ActivationFile(Ops ops, Path file, FileChannel channel) {
      this.ops = ops;
      this.file = file;
      this.channel = channel;
    }

    static ActivationFile create(Ops ops, Path file) {
      try {
        return new ActivationFile(
            ops,
            file,
            FileChannel.open(
                file,
                StandardOpenOption.CREATE,
                StandardOpenOption.TRUNCATE_EXISTING,
                StandardOpenOption.READ,
                StandardOpenOption.WRITE,
                StandardOpenOption.DELETE_ON_CLOSE));
      } catch (IOException e) {
        throw failure("made", file, e);
      }
    }

    @Override
    public Stored keep(Tensor x) {
      long at = end;
      try (Tensor host = ops.hostMemory().moveToHost(x)) {
        ByteBuffer bytes = host.bytes();
        BlockingWait waiting = new BlockingWait(at, bytes.remaining(), host.type(), host.shape());
        end += bytes.remaining();
        for (long to = at; bytes.hasRemaining(); ) {
          to += channel.write(bytes, to);
        }
        return waiting;
      } catch (IOException e) {
        throw failure("written", file, e);
      }
    }

    @Override
    public void reset() {
      end = 0;
    }

    @Override
    public void close() {
      try {
        channel.close();
      } catch (IOException e) {
        throw failure("closed", file, e);
      }
    }

    private final class BlockingWait implements Stored {
      private final long at;
      private final int size;
      private final ElementType type;
      private final long[] shape;

      BlockingWait(long at, int size, ElementType type, long[] shape) {
        this.at = at;
        this.size = size;
        this.type = type;
        this.shape = shape;
      }

      @Override
      public Tensor open(Scope scope) {
        Tensor x = ops.hostMemory().empty(scope, type, shape);
        ByteBuffer bytes = x.bytes();
        try {
          while (bytes.hasRemaining()) {
            if (channel.read(bytes, at + bytes.position()) < 0) {
              throw new IOException("it ends before byte " + (at + size));
            }
          }
        } catch (IOException e) {
          throw failure("read", file, e);
        }
        return ops.hostMemory().toDevice(x);
      }

      @Override
      public void close() {}
    }

    private static RunFailure failure(String what, Path file, IOException e) {
      return new RunFailure(
          "The file of activations %s cannot be %s: %s. It needs layers x tokens of a step and rank x hidden_size x 2 bytes (4 without bf16) in Spark's local folder; make room there, or leave activation_offload at false."
              .formatted(file, what, e),
          e);
    }
  }
}
