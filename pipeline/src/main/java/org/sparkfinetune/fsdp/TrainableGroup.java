package org.sparkfinetune.fsdp;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import org.sparkfinetune.exchange.Exchange;
import org.sparkfinetune.tensor.AdamWStep;
import org.sparkfinetune.tensor.ElementType;
import org.sparkfinetune.tensor.Ops;
import org.sparkfinetune.tensor.Scope;
import org.sparkfinetune.tensor.Tensor;

/**
 * This rank's slice of a group's trainable parameters, with Adam's moments: float32, one version a
 * step. Not safe for several threads.
 *
 * <p>All of it lives on the device, because the optimizer runs there. Where host code does not see
 * the device's memory, contributions to the gradient are added up in the host's, where they arrive,
 * and go to the device as one sum; published parameters are copied to the host, which serves them.
 */
public final class TrainableGroup {
  private final String name;
  private final TrainableLayout layout;
  private final Exchange exchange;
  private final Ops ops;
  private final Tensor parameters;
  private final Tensor firstMoment;
  private final Tensor secondMoment;
  private final Tensor gradient;

  /** Where contributions are added up: the gradient's own memory on the CPU. */
  private final Tensor sum;

  /** What peers read: the parameters' own memory on the CPU. */
  private final Tensor published;

  private CompletableFuture<List<ByteBuffer>> contributions =
      CompletableFuture.completedFuture(List.of());
  private boolean gradientReady;

  /** Begins with zeros; {@link #load} sets the values. Memory belongs to {@code scope}. */
  public TrainableGroup(
      String name, TrainableLayout layout, Exchange exchange, Ops ops, Scope scope) {
    this.name = name;
    this.layout = layout;
    this.exchange = exchange;
    this.ops = ops;
    long n = layout.sliceElements();
    this.parameters = ops.zeros(scope, ElementType.FLOAT32, n);
    this.firstMoment = ops.zeros(scope, ElementType.FLOAT32, n);
    this.secondMoment = ops.zeros(scope, ElementType.FLOAT32, n);
    this.gradient = ops.zeros(scope, ElementType.FLOAT32, n);
    this.sum = ops.staging().toHost(scope, gradient);
    this.published = ops.staging().toHost(scope, parameters);
  }

  public String name() {
    return name;
  }

  public TrainableLayout layout() {
    return layout;
  }

  /**
   * What has to be kept for the next step, by name: this rank's slice of the parameters and of both
   * moments, each of sliceElements float32.
   */
  public Map<String, Tensor> state() {
    Map<String, Tensor> state = new LinkedHashMap<>();
    state.put("parameters/" + name, parameters);
    state.put("exp_avg/" + name, firstMoment);
    state.put("exp_avg_sq/" + name, secondMoment);
    return state;
  }

  /** Fills the parameters of this rank's slice. */
  public void load(WeightSource source) {
    ops.staging().write(parameters, bytes -> read(source, bytes.asFloatBuffer()));
  }

  private void read(WeightSource source, FloatBuffer values) {
    for (TrainableLayout.Piece piece : layout.pieces(exchange.rank())) {
      float[] part = new float[piece.count()];
      source.read(piece.tensor().name(), piece.firstElement(), part, piece.count());
      values.put(piece.sliceElement(), part);
    }
  }

  /** Makes this rank's slice, as it is now, version {@code version}. */
  public void publish(long version) {
    ops.staging().copy(published, parameters);
    exchange.publish("parameters/" + name, version, published.bytes());
  }

  /** Asks for all ranks' slices at a version, if there are others; returns at once. */
  public List<CompletableFuture<ByteBuffer>> fetch(long version) {
    if (exchange.worldSize() == 1) {
      return List.of();
    }
    List<CompletableFuture<ByteBuffer>> slices = new ArrayList<>();
    for (int rank = 0; rank < exchange.worldSize(); rank++) {
      slices.add(exchange.published(rank, "parameters/" + name, version));
    }
    return slices;
  }

  /** The whole flat parameter at a version, as {@link #unshard(Scope, List)} gives it. */
  public Tensor unshard(Scope scope, long version) {
    return unshard(scope, fetch(version));
  }

  /**
   * The whole flat parameter, float32; shares this rank's memory where it is the only rank.
   *
   * @param slices from {@link #fetch}; waited for, and of no use afterwards
   */
  public Tensor unshard(Scope scope, List<CompletableFuture<ByteBuffer>> slices) {
    if (exchange.worldSize() == 1) {
      return ops.view(scope, parameters, 0, layout.flatElements());
    }
    Tensor flat = ops.staging().empty(scope, ElementType.FLOAT32, layout.flatElements());
    ByteBuffer bytes = flat.bytes();
    for (CompletableFuture<ByteBuffer> slice : slices) {
      ByteBuffer part = exchange.await(slice);
      bytes.put(part.duplicate());
      exchange.recycle(part);
    }
    ops.staging().catchUp();
    return ops.staging().toDevice(flat);
  }

  /**
   * Sends each rank its slice of this rank's gradient and asks for the others' contributions to the
   * own slice. {@code flat} has to stay as it is until the returned future completes.
   *
   * @param flat where host code sees it
   */
  public CompletableFuture<Void> reduceScatter(Tensor flat, long step) {
    int ranks = exchange.worldSize();
    int sliceBytes = Math.toIntExact(layout.sliceElements() * Float.BYTES);
    List<CompletableFuture<Void>> sent = new ArrayList<>();
    ByteBuffer bytes = flat.bytes();
    for (int owner = 0; owner < ranks; owner++) {
      ByteBuffer slice = bytes.slice(owner * sliceBytes, sliceBytes).order(ByteOrder.LITTLE_ENDIAN);
      sent.add(exchange.push(owner, "gradients/" + name, step, slice));
    }
    contributions = exchange.pushed("gradients/" + name, step);
    gradientReady = false;
    return CompletableFuture.allOf(sent.toArray(CompletableFuture[]::new));
  }

  /**
   * Adds up what arrived, if all ranks' contributions have, so that they need no memory any more.
   *
   * @return whether the gradient is complete
   */
  public boolean addArrived() {
    if (!gradientReady && contributions.isDone() && !contributions.isCompletedExceptionally()) {
      add(contributions.join());
    }
    return gradientReady;
  }

  /** Waits for what has not arrived; the sum of squares of the own slice. */
  public double finishGradient() {
    if (!gradientReady) {
      add(exchange.await(contributions));
    }
    return ops.sumOfSquares(gradient);
  }

  /** In rank order. */
  private void add(List<ByteBuffer> arrived) {
    boolean first = true;
    for (ByteBuffer contribution : arrived) {
      if (first) {
        sum.bytes().put(contribution.duplicate());
        first = false;
      } else {
        addInto(contribution);
      }
      exchange.recycle(contribution);
    }
    ops.staging().copy(gradient, sum);
    contributions = CompletableFuture.completedFuture(List.of());
    gradientReady = true;
  }

  private void addInto(ByteBuffer contribution) {
    var whole = sum.bytes().asFloatBuffer();
    var part = contribution.duplicate().order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer();
    for (int i = 0; i < whole.limit(); i++) {
      whole.put(i, whole.get(i) + part.get(i));
    }
  }

  /** One optimizer step on the own slice; weight decay only on tensors of two dimensions. */
  public void update(Scope scope, AdamWStep step) {
    if (!gradientReady) {
      throw new IllegalStateException("gradient of " + name + " is not complete");
    }
    AdamWStep plain = step.withWeightDecay(0);
    if (step.weightDecay() == 0) {
      ops.adamw(scope, parameters, gradient, firstMoment, secondMoment, plain);
      return;
    }
    for (TrainableLayout.Piece piece : layout.pieces(exchange.rank())) {
      boolean decays = piece.tensor().shape().size() > 1;
      ops.adamw(
          scope,
          part(scope, parameters, piece),
          part(scope, gradient, piece),
          part(scope, firstMoment, piece),
          part(scope, secondMoment, piece),
          decays ? step : plain);
    }
  }

  private Tensor part(Scope scope, Tensor slice, TrainableLayout.Piece piece) {
    return ops.view(scope, slice, piece.sliceElement(), piece.count());
  }
}
