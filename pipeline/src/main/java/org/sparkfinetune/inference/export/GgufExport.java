package org.sparkfinetune.inference.export;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.apache.hadoop.fs.Path;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.inference.export.Merge.MergeRequest;
import org.sparkfinetune.model.family.DecoderConfig;
import org.sparkfinetune.model.safetensors.DType;
import org.sparkfinetune.model.safetensors.Floats;
import org.sparkfinetune.progress.Progress;
import org.sparkfinetune.store.AtomicFile;
import org.sparkfinetune.store.Store;

/** Writes a merged model as one GGUF file (version 3) for llama.cpp. */
public final class GgufExport {
  private static final int ALIGNMENT = 32;
  private static final int VERSION = 3;
  private static final int F32_CODE = 0;

  /** What matrices are written as; vectors are always float32. */
  public enum Type {
    F16(1, 1, 2, 1),
    /** Blocks of 32 with a half-precision scale. */
    Q8_0(8, 7, 34, 32);

    private final int code;
    private final int fileType;
    private final int blockBytes;
    private final int block;

    Type(int code, int fileType, int blockBytes, int block) {
      this.code = code;
      this.fileType = fileType;
      this.blockBytes = blockBytes;
      this.block = block;
    }
  }

  private final Store store;

  public GgufExport(Store store) {
    this.store = store;
  }

  /**
   * The file appears when it is whole.
   *
   * @param request its output is the file; dtype and shard size mean nothing here
   * @throws UserError if the file exists, or model and adapter do not fit together
   */
  public void run(MergeRequest request, Type type) {
    requireNew(request.output());
    try (MergedWeights weights =
            MergedWeights.open(request.model(), request.adapter(), request.base(), store);
        AtomicFile out = store.create(request.output())) {
      write(weights, type, out);
      out.commit();
    }
  }

  private void requireNew(Path output) {
    if (store.exists(output)) {
      throw new UserError(
          "output is %s, which exists. Name another file, or delete it.".formatted(output));
    }
  }

  private void write(MergedWeights weights, Type type, AtomicFile out) {
    weights.requireMergeable();
    GgufTensors naming = new GgufTensors(weights);
    List<GgufTensors.Tensor> tensors = naming.all();
    GgufMetadata metadata = metadata(weights, naming.architecture(), type);
    GgufMetadata header = new GgufMetadata();
    header.int32(
        ByteBuffer.wrap("GGUF".getBytes(StandardCharsets.US_ASCII))
            .order(ByteOrder.LITTLE_ENDIAN)
            .getInt());
    header.int32(VERSION);
    header.int64(tensors.size());
    header.int64(metadata.count());
    GgufMetadata infos = infos(tensors, type);
    long written = 0;
    for (GgufMetadata part : List.of(header, metadata, infos)) {
      out.write(ByteBuffer.wrap(part.bytes()));
      written += part.bytes().length;
    }
    pad(out, written);
    long total = tensors.stream().mapToLong(tensor -> bytes(tensor, codec(tensor, type))).sum();
    try (Progress progress = Progress.onStandardError("merge", total, Progress.Unit.BYTES);
        WeightStream stream = new WeightStream(progress.counting(out::write))) {
      for (GgufTensors.Tensor tensor : tensors) {
        Codec codec = codec(tensor, type);
        stream.write(
            tensor.values().get(), tensor.elements(), (values, n) -> encoded(values, n, codec));
        pad(out, bytes(tensor, codec));
      }
    }
  }

  private GgufMetadata metadata(MergedWeights weights, GgufArchitecture architecture, Type type) {
    DecoderConfig config = weights.config();
    GgufMetadata metadata = new GgufMetadata();
    metadata.put("general.architecture", architecture.name());
    metadata.put("general.name", weights.model().path().getName());
    metadata.put("general.file_type", type.fileType);
    metadata.put("general.quantization_version", 2);
    String prefix = architecture.name() + ".";
    metadata.put(
        prefix + "context_length",
        config.maxPositionEmbeddings() == 0
            ? config.contextLength()
            : config.maxPositionEmbeddings());
    metadata.put(prefix + "embedding_length", config.hiddenSize());
    metadata.put(prefix + "block_count", config.numHiddenLayers());
    metadata.put(prefix + "feed_forward_length", config.intermediateSize());
    metadata.put(prefix + "attention.head_count", config.numAttentionHeads());
    metadata.put(prefix + "attention.head_count_kv", config.numKeyValueHeads());
    metadata.put(prefix + "attention.key_length", config.headDim());
    metadata.put(prefix + "attention.value_length", config.headDim());
    metadata.put(prefix + "attention.layer_norm_rms_epsilon", (float) config.rmsNormEps());
    metadata.put(prefix + "vocab_size", config.vocabSize());
    architecture.put(metadata, config);
    GgufTokenizer.read(weights.model().path(), store).put(metadata, config.vocabSize());
    return metadata;
  }

  /** How a tensor's values become bytes. */
  private sealed interface Codec {
    record Plain(DType dtype, int code) implements Codec {}

    record Blocks() implements Codec {}
  }

  private static Codec codec(GgufTensors.Tensor tensor, Type type) {
    if (!tensor.isMatrix()) {
      return new Codec.Plain(DType.F32, F32_CODE);
    }
    boolean fits = tensor.rowLength() % type.block == 0;
    return type == Type.Q8_0 && fits
        ? new Codec.Blocks()
        : new Codec.Plain(DType.F16, Type.F16.code);
  }

  private static long bytes(GgufTensors.Tensor tensor, Codec codec) {
    return codec instanceof Codec.Plain plain
        ? tensor.elements() * plain.dtype().bytes()
        : tensor.elements() / Type.Q8_0.block * Type.Q8_0.blockBytes;
  }

  private static GgufMetadata infos(List<GgufTensors.Tensor> tensors, Type type) {
    GgufMetadata infos = new GgufMetadata();
    long offset = 0;
    for (GgufTensors.Tensor tensor : tensors) {
      Codec codec = codec(tensor, type);
      infos.string(tensor.name());
      infos.int32(tensor.shape().size());
      GgufTensors.reversed(tensor.shape()).forEach(infos::int64);
      infos.int32(codec instanceof Codec.Plain plain ? plain.code() : Type.Q8_0.code);
      infos.int64(offset);
      offset += aligned(bytes(tensor, codec));
    }
    return infos;
  }

  private static long aligned(long bytes) {
    return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  }

  private static void pad(AtomicFile out, long written) {
    out.write(ByteBuffer.allocate((int) (aligned(written) - written)));
  }

  private static ByteBuffer encoded(float[] values, int n, Codec codec) {
    return codec instanceof Codec.Plain plain
        ? Merge.bytes(plain.dtype(), values, n)
        : ByteBuffer.wrap(q8(values, n));
  }

  /** ggml's quantize_row_q8_0: scale = largest / 127 in half precision, ties away from zero. */
  static byte[] q8(float[] values, int n) {
    int block = Type.Q8_0.block;
    ByteBuffer bytes =
        ByteBuffer.allocate(n / block * Type.Q8_0.blockBytes).order(ByteOrder.LITTLE_ENDIAN);
    for (int at = 0; at < n; at += block) {
      float largest = 0;
      for (int i = at; i < at + block; i++) {
        largest = Math.max(largest, Math.abs(values[i]));
      }
      float scale = largest / 127;
      float inverse = scale == 0 ? 0 : 1 / scale;
      bytes.putShort(Floats.floatToF16(scale));
      for (int i = at; i < at + block; i++) {
        float scaled = values[i] * inverse;
        bytes.put((byte) (int) Math.copySign(Math.floor(Math.abs(scaled) + 0.5), scaled));
      }
    }
    return bytes.array();
  }
}
