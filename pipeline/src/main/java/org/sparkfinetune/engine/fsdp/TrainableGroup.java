package org.sparkfinetune.engine.fsdp;

import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.regex.Pattern;
import org.sparkfinetune.engine.exchange.ProcessGroup;
import org.sparkfinetune.engine.fsdp.ReduceScatter.OnHost;
import org.sparkfinetune.engine.tensor.Ops;
import org.sparkfinetune.engine.tensor.Ops.AdamWStep;
import org.sparkfinetune.engine.tensor.Scope;
import org.sparkfinetune.engine.tensor.Tensor;
import org.sparkfinetune.engine.tensor.Tensor.ElementType;

/**
 * This rank's slice of a group's trainable parameters, with Adam's moments: float32, one version a
 * step. Not safe for several threads.
 *
 * <p>All of it lives on the device, because the optimizer runs there. {@link ReduceScatter} says
 * how gradients come there; published parameters are copied to the host, which serves them, where
 * host code does not see the device's memory.
 */
public final class TrainableGroup {
  /** Values read from a source at a time. */
  private static final int READ_ELEMENTS = 1 << 20;

  private static final Pattern LEARNS_AS_B = Pattern.compile("\\.lora_(B|magnitude_vector)\\b");

  /** First values of adapters, which no gradient reaches. */
  private static final Pattern STAYS = Pattern.compile("\\.lora_[AB]0\\b");

  private final String name;
  private final TrainableLayout layout;
  private final ProcessGroup exchange;
  private final Ops ops;
  private final Tensor parameters;
  private final AdamMoments moments;
  private final Tensor gradient;

  private final ReduceScatter sums;

  /** What peers read: the parameters' own memory on the CPU. */
  private final Tensor published;

  /** Its memory, in as many buffers as it takes: a slice may have more than 2 GiB. */
  private final List<ByteBuffer> publishedBuffers;

  private boolean gradientReady;

  /**
   * Begins with zeros; {@link #load} sets the values. Memory belongs to {@code scope}.
   *
   * @param onDevice how gradients go between ranks, where they can go from GPU to GPU
   */
  public TrainableGroup(
      String name,
      TrainableLayout layout,
      ProcessGroup exchange,
      Optional<DeviceCollectives> onDevice,
      Ops ops,
      AdamMoments.Factory moments,
      Scope scope) {
    this.name = name;
    this.layout = layout;
    this.exchange = exchange;
    this.ops = ops;
    long n = layout.sliceElements();
    this.parameters = ops.zeros(scope, ElementType.FLOAT32, n);
    this.moments = moments.of(name, layout, exchange.rank());
    this.gradient = ops.zeros(scope, ElementType.FLOAT32, n);
    this.sums = new ReduceScatter.Ways(exchange, onDevice, ops, scope).of(name, gradient);
    this.published = ops.hostMemory().toHost(scope, parameters);
    this.publishedBuffers = ops.hostMemory().buffers(published, 0, n);
  }

  public String name() {
    return name;
  }

  public TrainableLayout layout() {
    return layout;
  }

  /**
   * What has to be kept for the next step, by name: this rank's slice of the parameters,
   * sliceElements float32, and of the moments.
   */
  public Map<String, StateSlice> state() {
    Map<String, StateSlice> state = new LinkedHashMap<>();
    state.putAll(parameters());
    state.putAll(moments.state());
    return state;
  }

  /** Of {@link #state} what makes the model: this rank's slice of the parameters. */
  public Map<String, StateSlice> parameters() {
    long first = exchange.rank() * layout.sliceElements();
    return Map.of("parameters/" + name, new StateSlice(parameters, first));
  }

  /**
   * A rank's slice of a part of the state. The slices of all ranks, one behind the other, are the
   * part, which does not depend on how many ranks there are, but for zeros behind its end.
   *
   * @param values flat
   * @param first element of the part that {@code values} begin with
   */
  public record StateSlice(Tensor values, long first) {}

  /** Fills the parameters of this rank's slice. */
  public void load(WeightSource source) {
    ops.hostMemory()
        .write(parameters, (first, bytes) -> read(source, first, bytes.asFloatBuffer()));
  }

  private void read(WeightSource source, long first, FloatBuffer values) {
    float[] part = new float[Math.min(values.limit(), READ_ELEMENTS)];
    for (TrainableLayout.Piece piece : layout.pieces(exchange.rank())) {
      long end = Math.min(first + values.limit(), piece.sliceElement() + piece.count());
      for (long at = Math.max(first, piece.sliceElement()); at < end; at += part.length) {
        int count = (int) Math.min(part.length, end - at);
        long element = piece.firstElement() + at - piece.sliceElement();
        source.read(piece.tensor().name(), element, part, count);
        values.put((int) (at - first), part, 0, count);
      }
    }
  }

  /** Makes this rank's slice, as it is now, version {@code version}. */
  public void publish(long version) {
    ops.hostMemory().copy(published, parameters);
    for (int i = 0; i < publishedBuffers.size(); i++) {
      exchange.publish(key(i), version, publishedBuffers.get(i));
    }
  }

  /** What the exchange calls a buffer of the parameters. */
  private String key(int buffer) {
    return OnHost.key("parameters", name, buffer, publishedBuffers.size());
  }

  /** All ranks' slices at a version, on their way in order. */
  public final class Slices {
    private final long version;
    private final Deque<CompletableFuture<ByteBuffer>> asked = new ArrayDeque<>();
    private int next;

    private Slices(long version) {
      this.version = version;
      if (exchange.worldSize() > 1) {
        ask();
      }
    }

    private void ask() {
      int buffers = publishedBuffers.size();
      long window = OnHost.window(ops.hostMemory(), publishedBuffers.get(0).capacity());
      while (next < buffers * exchange.worldSize() && asked.size() < window) {
        asked.add(exchange.published(next / buffers, key(next % buffers), version));
        next++;
      }
    }

    private ByteBuffer take() {
      ByteBuffer bytes = exchange.await(asked.remove());
      ask();
      return bytes;
    }
  }

  /** Asks for all ranks' slices at a version, if there are others; returns at once. */
  public Slices fetch(long version) {
    return new Slices(version);
  }

  /** The whole flat parameter at a version, as {@link #unshard(Scope, Slices)} gives it. */
  public Tensor unshard(Scope scope, long version) {
    return unshard(scope, fetch(version));
  }

  /**
   * The whole flat parameter, float32; shares this rank's memory where it is the only rank.
   *
   * @param slices from {@link #fetch}; waited for, and of no use afterwards
   */
  public Tensor unshard(Scope scope, Slices slices) {
    if (exchange.worldSize() == 1) {
      return ops.view(scope, parameters, 0, layout.flatElements());
    }
    Tensor flat = ops.hostMemory().empty(scope, ElementType.FLOAT32, layout.flatElements());
    for (int rank = 0; rank < exchange.worldSize(); rank++) {
      for (ByteBuffer bytes : slice(flat, rank)) {
        ByteBuffer part = slices.take();
        bytes.put(part.duplicate());
        exchange.recycle(part);
      }
    }
    ops.hostMemory().catchUp();
    return ops.hostMemory().toDevice(flat);
  }

  /** A rank's slice of a flat tensor. */
  private List<ByteBuffer> slice(Tensor flat, int rank) {
    return ops.hostMemory().buffers(flat, rank * layout.sliceElements(), layout.sliceElements());
  }

  /**
   * Sends each rank its slice of this rank's gradient and asks for the others' contributions to the
   * own slice. All ranks do so in one order of groups, once a step.
   *
   * @param flat on the device; taken over, but for its scope, which has to stay open until the
   *     returned future completes
   */
  public CompletableFuture<Void> reduceScatter(Tensor flat, long step) {
    CompletableFuture<Void> sent = sums.begin(flat, step);
    gradientReady = sums.addArrived();
    return sent;
  }

  /**
   * Adds up what arrived of all ranks' contributions, so that it needs no memory any more.
   *
   * @return whether the gradient is complete
   */
  public boolean addArrived() {
    gradientReady = sums.addArrived();
    return gradientReady;
  }

  /** Waits for what has not arrived; the sum of squares of the own slice. */
  public double finishGradient() {
    sums.finish();
    gradientReady = true;
    return ops.sumOfSquares(gradient);
  }

  /**
   * One optimizer step on the own slice; weight decay only on tensors of two dimensions. LoRA's
   * vectors learn as B does (PEFT's create_loraplus_optimizer).
   *
   * @param loraPlusRatio by which the rate of LoRA's B is higher (LoRA+: Hayou et al. 2024)
   */
  public void update(Scope scope, AdamWStep step, double loraPlusRatio) {
    if (!gradientReady) {
      throw new IllegalStateException("gradient of " + name + " is not complete");
    }
    AdamWStep plain = step.withWeightDecay(0);
    if (step.weightDecay() == 0 && loraPlusRatio == 1) {
      moments.update(scope, parameters, gradient, plain);
      return;
    }
    for (TrainableLayout.Piece piece : layout.pieces(exchange.rank())) {
      boolean decays =
          piece.tensor().shape().size() > 1 && !STAYS.matcher(piece.tensor().name()).find();
      boolean faster = LEARNS_AS_B.matcher(piece.tensor().name()).find();
      AdamWStep own = decays ? step : plain;
      moments.update(
          scope,
          piece,
          parameters,
          gradient,
          faster ? own.withLearningRate(step.learningRate() * loraPlusRatio) : own);
    }
  }
}
