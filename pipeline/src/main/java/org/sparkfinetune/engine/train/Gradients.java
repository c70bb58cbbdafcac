package org.sparkfinetune.engine.train;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import org.sparkfinetune.engine.exchange.ProcessGroup;
import org.sparkfinetune.engine.fsdp.TrainableGroup;
import org.sparkfinetune.engine.tensor.Ops;
import org.sparkfinetune.engine.tensor.Scope;
import org.sparkfinetune.engine.tensor.Tensor;
import org.sparkfinetune.engine.tensor.Tensor.ElementType;
import org.sparkfinetune.model.safetensors.NamedShape;

/**
 * A step's gradients on their way to their owners. A group's flat gradient lives until its slices
 * are sent, which is once all batches were added; two may be under way while backward goes on.
 */
final class Gradients implements AutoCloseable {
  private final Ops ops;
  private final ProcessGroup exchange;
  private final long step;
  private final Map<String, Flat> open = new HashMap<>();
  private final Deque<Sending> sending = new ArrayDeque<>();
  private final List<TrainableGroup> arriving = new ArrayList<>();
  private boolean last;

  private record Sending(CompletableFuture<Void> sent, Scope memory) {}

  Gradients(Ops ops, ProcessGroup exchange, long step) {
    this.ops = ops;
    this.exchange = exchange;
    this.step = step;
  }

  /** The gradient of one group, being added up over the rank's batches; float32. */
  final class Flat {
    private final TrainableGroup group;
    private final Scope memory;
    private final Tensor flat;

    private Flat(TrainableGroup group, Scope memory) {
      this.group = group;
      this.memory = memory;
      this.flat =
          ops.zeros(
              memory, ElementType.FLOAT32, group.layout().sliceElements() * exchange.worldSize());
    }

    /** Adds to the gradient of a tensor; nothing for tensors that are not trained. */
    void add(Scope scope, String name, Tensor gradient) {
      if (group.layout().contains(name) && gradient.elements() > 0) {
        ops.add(scope, view(scope, name), gradient);
      }
    }

    /** The gradient of one tensor, to be added to in place. */
    Tensor view(Scope scope, String name) {
      var entry = group.layout().entry(name);
      NamedShape tensor = entry.tensor();
      return ops.view(scope, flat, entry.at(), tensor.dimensions());
    }

    /** Sends the slices to their owners. */
    private void send() {
      sending.addLast(new Sending(group.reduceScatter(flat, step), memory));
      open.remove(group.name());
      arriving.add(group);
      arriving.removeIf(TrainableGroup::addArrived);
      while (sending.size() > BufferSizes.GRADIENTS_UNDER_WAY) {
        finishOldest();
      }
    }
  }

  /** The sum so far, zeros at first. */
  Flat of(TrainableGroup group) {
    return open.computeIfAbsent(group.name(), name -> new Flat(group, ops.torch().scope()));
  }

  /** What is added from now on is from the last batches. */
  void lastBatches() {
    last = true;
  }

  /** These batches' gradients of the group are added; sends the sum if they were the last. */
  void added(TrainableGroup group) {
    if (last) {
      Objects.requireNonNull(open.get(group.name())).send();
    }
  }

  /** Waits until all slices are sent. */
  void finish() {
    while (!sending.isEmpty()) {
      finishOldest();
    }
  }

  private void finishOldest() {
    exchange.await(sending.getFirst().sent());
    sending.removeFirst().memory().close();
  }

  /** What is left after a failure may be on its way to peers, of which some may not be there. */
  @Override
  public void close() {
    List<Scope> left = new ArrayList<>();
    open.values().forEach(flat -> left.add(flat.memory));
    sending.forEach(slices -> left.add(slices.memory()));
    if (left.isEmpty()) {
      return;
    }
    if (exchange.withdraw()) {
      left.forEach(Scope::close);
    } else {
      left.forEach(memory -> memory.abandon("a gradient is still being sent"));
    }
    open.clear();
    sending.clear();
  }
}
