package org.sparkfinetune.model.safetensors;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.store.LfsPointer;

/**
 * A checked header.
 *
 * @param dataStart where the data section begins in the file
 * @param tensors by name, in the order of their bytes
 */
record Header(long dataStart, Map<String, TensorInfo> tensors, Map<String, String> metadata) {
  /** The format's own bound. */
  static final long MAX_BYTES = 100_000_000;

  static final int PREFIX = 8;
  static final String METADATA = "__metadata__";

  /** Reads and checks the header; afterwards every byte of the file belongs to one tensor. */
  static Header read(ByteSource file) {
    long size = file.size();
    if (size < PREFIX) {
      throw broken(
          file, "has %s bytes; even an empty one has at least 8 and a header".formatted(size));
    }
    ByteBuffer prefix = ByteBuffer.allocate(PREFIX).order(ByteOrder.LITTLE_ENDIAN);
    file.read(0, prefix);
    long length = prefix.getLong(0);
    if (isPointer(file)) {
      throw broken(file, LfsPointer.WHAT);
    }
    if (length < 0 || length > MAX_BYTES) {
      throw broken(
          file,
          "says its header has %s bytes; at most %s are allowed, so this is no safetensors file"
              .formatted(Long.toUnsignedString(length), MAX_BYTES));
    }
    if (length > size - PREFIX) {
      throw broken(
          file,
          ("says its header has %s bytes, but the whole file has only %s; it was cut off, fetch it"
                  + " again")
              .formatted(length, size));
    }
    ByteBuffer json = ByteBuffer.allocate((int) length);
    file.read(PREFIX, json);
    HeaderJson parsed = HeaderJson.parse(file.where(), json.flip());
    List<TensorInfo> inOrder = withoutHoles(file, parsed.tensors(), size - PREFIX - length);
    Map<String, TensorInfo> tensors = new LinkedHashMap<>();
    inOrder.forEach(tensor -> tensors.put(tensor.name(), tensor));
    return new Header(PREFIX + length, tensors, parsed.metadata());
  }

  private static boolean isPointer(ByteSource file) {
    byte[] bytes = new byte[file.size() > LfsPointer.LONGEST ? 0 : (int) file.size()];
    file.read(0, ByteBuffer.wrap(bytes));
    return LfsPointer.isAt(bytes);
  }

  private static List<TensorInfo> withoutHoles(
      ByteSource file, List<TensorInfo> tensors, long dataBytes) {
    List<TensorInfo> inOrder =
        tensors.stream()
            .sorted(Comparator.comparing(TensorInfo::begin).thenComparing(TensorInfo::end))
            .toList();
    long at = 0;
    for (TensorInfo tensor : inOrder) {
      if (tensor.begin() != at) {
        throw broken(
            file,
            "has %s before tensor %s: it begins at byte %s of the data, expected %s"
                .formatted(
                    tensor.begin() < at ? "an overlap" : "a hole",
                    Names.quoted(tensor.name()),
                    tensor.begin(),
                    at));
      }
      at = tensor.end();
    }
    if (at > dataBytes) {
      throw broken(
          file,
          ("is cut off: tensor %s ends at byte %s of the data, but there are only %s; fetch the"
                  + " file again")
              .formatted(Names.quoted(inOrder.get(inOrder.size() - 1).name()), at, dataBytes));
    }
    if (at < dataBytes) {
      throw broken(
          file,
          "has %s bytes of data, but its tensors need %s; the rest is no tensor's"
              .formatted(dataBytes, at));
    }
    return inOrder;
  }

  private static UserError broken(ByteSource file, String what) {
    return new UserError(file.where() + " " + what + ".");
  }
}
