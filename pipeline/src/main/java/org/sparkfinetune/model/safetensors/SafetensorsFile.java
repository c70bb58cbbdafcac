package org.sparkfinetune.model.safetensors;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel.MapMode;
import java.util.Collections;
import java.util.Map;
import java.util.Optional;
import org.apache.hadoop.fs.Path;
import org.sparkfinetune.errors.Bug;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.store.Store;

/**
 * One open safetensors file. The header is read and checked by {@link #open}; data is read only on
 * request. Safe for any number of threads until it is closed. Little endian throughout.
 */
public final class SafetensorsFile implements AutoCloseable {
  private final ByteSource source;
  private final Header header;

  private SafetensorsFile(ByteSource source, Header header) {
    this.source = source;
    this.header = header;
  }

  /**
   * Opens a file of any Hadoop file system.
   *
   * @throws UserError if it does not exist or its header breaks a rule of the format
   */
  public static SafetensorsFile open(Path path, Store store) {
    ByteSource source = ByteSource.open(path, store);
    try {
      return new SafetensorsFile(source, Header.read(source));
    } catch (RuntimeException e) {
      source.close();
      throw e;
    }
  }

  /** All tensors by name, in the order of their bytes. */
  public Map<String, TensorInfo> tensors() {
    return Collections.unmodifiableMap(header.tensors());
  }

  /** The header's {@code __metadata__}; empty without one. */
  public Map<String, String> metadata() {
    return Collections.unmodifiableMap(header.metadata());
  }

  /** The file as messages name it. */
  public String where() {
    return source.where();
  }

  /**
   * Type and shape of a tensor.
   *
   * @throws UserError if there is no such tensor
   */
  public TensorInfo info(String tensor) {
    TensorInfo info = header.tensors().get(tensor);
    if (info == null) {
      throw new UserError(
          where()
              + " has no tensor "
              + Names.quoted(tensor)
              + " among its "
              + header.tensors().size());
    }
    return info;
  }

  /**
   * Fills {@code dst} from its position to its limit with the tensor's bytes from {@code firstByte}
   * on.
   *
   * @throws UserError if the file was cut off since it was opened
   * @throws RunFailure if the store fails
   */
  public void read(String tensor, long firstByte, ByteBuffer dst) {
    source.read(position(info(tensor), firstByte, dst.remaining()), dst);
  }

  /** Where the tensor lies on the local disk; nothing if the file is elsewhere. */
  public Optional<FileRange> locate(String tensor) {
    TensorInfo info = info(tensor);
    return source
        .localPath()
        .map(path -> new FileRange(path, header.dataStart() + info.begin(), info.byteCount()));
  }

  /**
   * The whole tensor mapped read-only, little endian; nothing if the file is not on a local disk.
   */
  public Optional<ByteBuffer> map(String tensor) {
    return map(tensor, 0, info(tensor).byteCount());
  }

  /** A range of the tensor, at most 2 GiB, mapped like {@link #map(String)}. */
  public Optional<ByteBuffer> map(String tensor, long firstByte, long bytes) {
    long position = position(info(tensor), firstByte, bytes);
    if (!(source instanceof ByteSource.Local local)) {
      return Optional.empty();
    }
    if (bytes > Integer.MAX_VALUE) {
      throw new Bug("Mapping " + bytes + " bytes of " + tensor + " in one buffer.");
    }
    try {
      return Optional.of(
          local.channel().map(MapMode.READ_ONLY, position, bytes).order(ByteOrder.LITTLE_ENDIAN));
    } catch (IOException e) {
      throw new RunFailure("Mapping " + where() + " failed: " + e.getMessage(), e);
    }
  }

  private long position(TensorInfo info, long firstByte, long bytes) {
    if (firstByte < 0 || bytes < 0 || firstByte > info.byteCount() - bytes) {
      throw new Bug(
          "Reading bytes [%s, %s) of %s, which has %s."
              .formatted(firstByte, firstByte + bytes, info.name(), info.byteCount()));
    }
    return header.dataStart() + info.begin() + firstByte;
  }

  @Override
  public void close() {
    source.close();
  }
}
