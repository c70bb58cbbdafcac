package org.sparkfinetune.train;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.concurrent.CompletableFuture;
import org.sparkfinetune.exchange.Exchange;
import org.sparkfinetune.fsdp.TrainableGroup;
import org.sparkfinetune.tensor.ElementType;
import org.sparkfinetune.tensor.NamedShape;
import org.sparkfinetune.tensor.Ops;
import org.sparkfinetune.tensor.Scope;
import org.sparkfinetune.tensor.Tensor;

/**
 * A step's gradients on their way to their owners. A group's flat gradient lives until its slices
 * are sent; two may be under way while backward goes on.
 */
final class Gradients implements AutoCloseable {
  private final Ops ops;
  private final Exchange exchange;
  private final long step;
  private final Deque<Sending> sending = new ArrayDeque<>();

  private record Sending(CompletableFuture<Void> sent, Scope memory) {}

  Gradients(Ops ops, Exchange exchange, long step) {
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
      var place = group.layout().place(name);
      NamedShape tensor = place.tensor();
      return ops.view(scope, flat, place.at(), tensor.dimensions());
    }

    /** Sends the slices to their owners. */
    void send() {
      sending.addLast(new Sending(group.reduceScatter(flat, step), memory));
      while (sending.size() > BufferSizes.GRADIENTS_UNDER_WAY) {
        finishOldest();
      }
    }
  }

  Flat begin(TrainableGroup group) {
    return new Flat(group, ops.torch().scope());
  }

  /** Waits until all slices are sent. */
  void finish() {
    while (!sending.isEmpty()) {
      finishOldest();
    }
  }

  private void finishOldest() {
    Sending oldest = sending.removeFirst();
    try (Scope memory = oldest.memory()) {
      exchange.await(oldest.sent());
    }
  }

  @Override
  public void close() {
    sending.forEach(left -> left.memory().close());
    sending.clear();
  }
}
