package org.sparkfinetune.inference.generate;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.engine.tensor.DecodingOps;
import org.sparkfinetune.engine.tensor.HostMemory;
import org.sparkfinetune.engine.tensor.Ops;
import org.sparkfinetune.engine.tensor.Ops.Nf4Piece;
import org.sparkfinetune.engine.tensor.Ops.Nf4Tables;
import org.sparkfinetune.engine.tensor.Scope;
import org.sparkfinetune.engine.tensor.Tensor;
import org.sparkfinetune.engine.tensor.Tensor.ElementType;
import org.sparkfinetune.engine.tensor.Torch;
import org.sparkfinetune.inference.generate.DecodingModel.Layer;
import org.sparkfinetune.inference.generate.DecodingModel.Mlp.Dense;
import org.sparkfinetune.inference.generate.Linear.Lora;
import org.sparkfinetune.inference.generate.Matrix.Nf4Matrix;
import org.sparkfinetune.inference.generate.Matrix.Nf4Matrix.Rounded;
import org.sparkfinetune.inference.generate.Matrix.PlainMatrix;
import org.sparkfinetune.model.family.DecoderFamily.NormWeight;
import org.sparkfinetune.model.quant.Absmax.PlainAbsmax;
import org.sparkfinetune.model.quant.NestedAbsmax;
import org.sparkfinetune.model.quant.Nf4Codec;
import org.sparkfinetune.model.quant.Nf4Codec.Nf4Lookup;
import org.sparkfinetune.model.safetensors.DType;

/**
 * A model's weights on a device: in the type that is computed in if there is memory for that, else
 * those of NF4 packed, decoded when a layer is computed. Embeddings stay on the host, whose rows go
 * to the device with the tokens. Several {@link Generator}s may share one, each with keys and
 * values of its own.
 *
 * <p>It computes in bfloat16, float16 checkpoints too, as training does; in float32 if the
 * checkpoint is float32, or if that is asked for.
 */
public final class DeviceModel implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(DeviceModel.class);

  /** Bytes that are copied at a time. */
  private static final int PIECE = 16 << 20;

  /** Where one linear's parts are among the 35 tensors of a layer: weight, bias, A, B, gain. */
  private static final int PARTS = 5;

  private static final int GATE = 4;
  private static final int DOWN = 6;

  private final DecodingModel model;
  private final DeviceFit fit;
  private final Ops ops;
  private final HostMemory hostMemory;
  private final ElementType type;
  private final Scope scope;
  private final Tensor none;
  private final Tensor quads;
  private final Map<Matrix, Weight> weights = new IdentityHashMap<>();
  private final List<LayerParts> layers = new ArrayList<>();
  private final Tensor finalNorm;

  /** In what is computed. */
  public enum Numbers {
    /** float32 if the first layer's weights are, else bfloat16. */
    OF_THE_WEIGHTS,
    FLOAT32
  }

  /** A matrix on the device. */
  private sealed interface Weight {
    /** (out, in) in the computing type. */
    record Whole(Tensor tensor) implements Weight {}

    /** NF4, its blocks' scales behind the codes. */
    record Packed(int out, int in, Nf4Piece piece, Nf4Tables tables) implements Weight {}
  }

  /** What is there of a layer besides its matrices. */
  private record LayerParts(Layer layer, List<SmallParts> linears, List<Tensor> norms) {}

  /**
   * Of a linear.
   *
   * @param slot its place in the script
   */
  private record SmallParts(
      int slot, Matrix matrix, Tensor bias, Tensor a, Tensor b, Tensor gain) {}

  private DeviceModel(DecodingModel model, Torch torch, DeviceFit fit, ElementType type) {
    this.model = model;
    this.fit = fit;
    this.ops = new Ops(torch);
    this.hostMemory = ops.hostMemory();
    this.type = type;
    this.scope = torch.scope();
    this.none = ops.empty(scope, ElementType.FLOAT32, 0);
    this.quads =
        ops.onDevice().nf4Quads(scope, ops.ofFloats(scope, Nf4Lookup.pairs(), Nf4Lookup.BYTES, 2));
    model
        .linears()
        .map(Linear::matrix)
        .forEach(matrix -> weights.computeIfAbsent(matrix, this::load));
    model.layers().forEach(layer -> layers.add(parts(layer)));
    this.finalNorm = norm(model.finalNorm());
  }

  /**
   * Copies a model's weights to the device.
   *
   * @param model stays the caller's; its embeddings are read as long as this is in use
   * @throws org.sparkfinetune.errors.UserError if they do not fit the memory that is free there
   */
  public static DeviceModel of(DecodingModel model, Torch torch, Numbers numbers) {
    return of(model, torch, numbers, torch.device().freeMemory());
  }

  /** The same, or nothing, with a warning, if its weights do not fit. */
  public static Optional<DeviceModel> ifThereIsRoom(
      DecodingModel model, Torch torch, Numbers numbers) {
    OptionalLong free = torch.device().freeMemory();
    Optional<String> objection = DeviceFit.objection(model, type(model, numbers), free);
    objection.ifPresent(why -> LOG.warn("Answers are decoded on the processor: {}", why));
    return objection.isPresent() ? Optional.empty() : Optional.of(of(model, torch, numbers, free));
  }

  /** Whether a device would compute in bfloat16. */
  public static boolean computesInBfloat16(DecodingModel model, Numbers numbers) {
    return type(model, numbers) == ElementType.BFLOAT16;
  }

  static DeviceModel of(DecodingModel model, Torch torch, Numbers numbers, OptionalLong free) {
    ElementType type = type(model, numbers);
    DeviceFit fit = DeviceFit.of(model, type, free);
    LOG.info(
        "Weights for decoding take {} GiB of {}{}, computed with in {}.",
        DeviceFit.gib(fit.weights()),
        torch.device().text(),
        fit.kept() == DeviceFit.Kept.PACKED ? ", in NF4, decoded layer by layer" : "",
        type);
    return new DeviceModel(model, torch, fit, type);
  }

  static ElementType type(DecodingModel model, Numbers numbers) {
    Matrix first = model.layers().get(0).o().matrix();
    boolean isFloat32 =
        first instanceof Nf4Matrix nf4
            ? nf4.rounded() == Rounded.FLOAT32
            : ((PlainMatrix) first).dtype() == DType.F32;
    return isFloat32 || numbers == Numbers.FLOAT32 ? ElementType.FLOAT32 : ElementType.BFLOAT16;
  }

  // ---- to the device ------------------------------------------------------------------------

  private Weight load(Matrix matrix) {
    if (matrix instanceof PlainMatrix plain) {
      return new Weight.Whole(copied(plain));
    }
    Nf4Matrix nf4 = (Nf4Matrix) matrix;
    if (!DeviceFit.nested(nf4)) {
      return new Weight.Whole(decodedOnHost(nf4));
    }
    if (fit.kept() == DeviceFit.Kept.PACKED) {
      return packed(scope, nf4);
    }
    try (Scope local = scope.child()) {
      return new Weight.Whole(decoded(scope, packed(local, nf4)));
    }
  }

  private Tensor copied(PlainMatrix matrix) {
    Tensor out = ops.empty(scope, type, matrix.out(), matrix.in());
    int rows = Math.max(1, PIECE / Float.BYTES / matrix.in());
    for (int row = 0; row < matrix.out(); row += rows) {
      int first = row;
      int count = Math.min(rows, matrix.out() - row);
      write(
          out,
          (long) row * matrix.in(),
          count * matrix.in(),
          matrix.copied(),
          bytes -> matrix.copy(first, count, bytes));
    }
    return out;
  }

  private Tensor decodedOnHost(Nf4Matrix matrix) {
    float[] absmax = ((PlainAbsmax) matrix.absmax()).values();
    long elements = (long) matrix.out() * matrix.in();
    Tensor out = ops.empty(scope, type, matrix.out(), matrix.in());
    int most = PIECE / Float.BYTES;
    for (long at = 0; at < elements; at += most) {
      int firstBlock = Math.toIntExact(at / Nf4Codec.BLOCK);
      int count = (int) Math.min(most, elements - at);
      write(
          out,
          at,
          count,
          ElementType.FLOAT32,
          bytes ->
              Nf4Codec.fastest()
                  .decodeToFloat32(
                      matrix.packed(),
                      firstBlock * Nf4Codec.BLOCK_BYTES,
                      absmax,
                      firstBlock,
                      count,
                      bytes,
                      0));
    }
    return out;
  }

  private interface Filling {
    void fill(ByteBuffer bytes);
  }

  /** Elements {@code [at, at + count)} of {@code out} from a buffer that is filled with them. */
  private void write(Tensor out, long at, int count, ElementType from, Filling filling) {
    try (Scope local = scope.child()) {
      Tensor host = hostMemory.empty(local, ElementType.UINT8, (long) count * from.bytes());
      filling.fill(host.bytes());
      ops.onDevice().decodePlain(local, out, at, count, hostMemory.toDevice(host), 0, from);
    }
  }

  private Weight.Packed packed(Scope in, Nf4Matrix matrix) {
    NestedAbsmax absmax = (NestedAbsmax) matrix.absmax();
    int blocks = absmax.blocks();
    Tensor host = hostMemory.empty(in, ElementType.UINT8, DeviceFit.packedBytes(matrix));
    ByteBuffer bytes = host.bytes().order(ByteOrder.LITTLE_ENDIAN);
    bytes.put(matrix.packed());
    while (bytes.position() < blocks * Nf4Codec.BLOCK_BYTES) {
      bytes.put((byte) 0);
    }
    bytes.put(absmax.codes());
    bytes.position(Math.toIntExact(DeviceFit.constantsAt(blocks)));
    bytes.putFloat(absmax.offset());
    bytes.asFloatBuffer().put(absmax.absmax2());
    Nf4Piece piece =
        new Nf4Piece(
            hostMemory.toDevice(host),
            0,
            (long) blocks * Nf4Codec.BLOCK_BYTES,
            DeviceFit.constantsAt(blocks),
            blocks,
            absmax.phase(),
            0,
            (long) matrix.out() * matrix.in());
    Tensor map = ops.ofFloats(in, absmax.map(), Nf4Lookup.BYTES);
    return new Weight.Packed(matrix.out(), matrix.in(), piece, new Nf4Tables(quads, map));
  }

  private Tensor decoded(Scope to, Weight.Packed packed) {
    Tensor out = ops.empty(to, type, packed.out(), packed.in());
    try (Scope local = scope.child()) {
      ops.onDevice().decodeNf4(local, out, packed.piece(), packed.tables());
    }
    return out;
  }

  private LayerParts parts(Layer layer) {
    List<SmallParts> linears = new ArrayList<>();
    for (int i = 0; i < layer.qkv().size(); i++) {
      linears.add(parts(i, layer.qkv().get(i)));
    }
    linears.add(parts(GATE - 1, layer.o()));
    if (layer.mlp() instanceof Dense dense) {
      for (int i = 0; i < dense.gateUp().size(); i++) {
        linears.add(parts(GATE + i, dense.gateUp().get(i)));
      }
      linears.add(parts(DOWN, dense.down()));
    }
    DecodingModel.Norms norms = layer.norms();
    return new LayerParts(
        layer,
        linears,
        Stream.of(
                norms.attention(),
                norms.mlp(),
                norms.query(),
                norms.key(),
                norms.afterAttention(),
                norms.afterMlp())
            .map(this::norm)
            .toList());
  }

  private SmallParts parts(int slot, Linear linear) {
    Tensor bias = linear.bias().length == 0 ? none : typed(linear.bias(), linear.out());
    if (linear.lora().isEmpty()) {
      return new SmallParts(slot, linear.matrix(), bias, none, none, none);
    }
    Lora lora = linear.lora().get();
    return new SmallParts(
        slot,
        linear.matrix(),
        bias,
        typed(lora.rowsOfA(), lora.r(), lora.in()),
        typed(lora.rowsOfB(), lora.out(), lora.r()),
        lora.gain().length == 0 ? none : ops.ofFloats(scope, lora.gain(), lora.gain().length));
  }

  private Tensor typed(float[] values, long... shape) {
    Tensor plain = ops.ofFloats(scope, values, shape);
    return type == ElementType.FLOAT32 ? plain : ops.cast(scope, plain, type);
  }

  /** What is multiplied with in float32 is float32, 1 + weight included. */
  private Tensor norm(float[] weight) {
    if (weight.length == 0) {
      return none;
    }
    return model.config().family().normWeight() == NormWeight.AFTER_CAST
        ? typed(weight, weight.length)
        : ops.ofFloats(scope, weight, weight.length);
  }

  // ---- for passes ---------------------------------------------------------------------------

  Ops ops() {
    return ops;
  }

  DecodingModel host() {
    return model;
  }

  ElementType type() {
    return type;
  }

  DeviceFit fit() {
    return fit;
  }

  /** A tensor of no elements. */
  Tensor none() {
    return none;
  }

  Tensor finalNorm() {
    return finalNorm;
  }

  /** (V, H). */
  Tensor head() {
    return weight(scope, model.head().matrix());
  }

  /** A layer without experts; what is decoded for it dies with the scope. */
  DecodingOps.Weights layer(Scope local, int index) {
    LayerParts parts = layers.get(index);
    List<Tensor> linears = new ArrayList<>(Collections.nCopies(PARTS * (DOWN + 1), none));
    for (SmallParts linear : parts.linears()) {
      int at = PARTS * linear.slot();
      linears.set(at, weight(local, linear.matrix()));
      linears.set(at + 1, linear.bias());
      linears.set(at + 2, linear.a());
      linears.set(at + 3, linear.b());
      linears.set(at + 4, linear.gain());
    }
    return new DecodingOps.Weights(linears, parts.norms());
  }

  /** A matrix (out, in); what is decoded dies with the scope. */
  Tensor weight(Scope local, Matrix matrix) {
    Weight weight = Objects.requireNonNull(weights.get(matrix));
    return weight instanceof Weight.Packed packed
        ? decoded(local, packed)
        : ((Weight.Whole) weight).tensor();
  }

  @Override
  public void close() {
    scope.close();
  }
}
