package org.sparkfinetune.engine.train;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.IntToLongFunction;
import org.sparkfinetune.engine.fsdp.Workers;
import org.sparkfinetune.engine.tensor.OnDevice.DropoutRow;
import org.sparkfinetune.engine.tensor.Ops;
import org.sparkfinetune.engine.tensor.Scope;
import org.sparkfinetune.engine.tensor.Tensor;
import org.sparkfinetune.engine.tensor.Tensor.ElementType;
import org.sparkfinetune.model.family.DecoderConfig;
import org.sparkfinetune.model.family.LinearModule;

/**
 * LoRA's dropout as a function of (seed, step, row within the global step, layer, module, token,
 * feature) alone: recomputation sees the same mask, and neither ranks nor micro-batches change it.
 * Where host code does not see tensors' memory the device makes them.
 */
final class DropoutMasks {
  private final double p;
  private final long seed;
  private final DecoderConfig config;
  private final Workers workers;
  private final MaskWriter writer;

  DropoutMasks(double p, long seed, DecoderConfig config, Workers workers) {
    this.p = p;
    this.seed = seed;
    this.config = config;
    this.workers = workers;
    this.writer = new MaskWriter(p);
  }

  /** Seven masks (N, in) of 0 or 1/(1-p); for p = 0, and for modules without LoRA, {@code none}. */
  List<Tensor> masks(
      Scope scope, Ops ops, TokenBatch batch, long step, int layer, Targets targets, Tensor none) {
    List<Tensor> masks = new ArrayList<>();
    List<Runnable> tasks = new ArrayList<>();
    for (Optional<LinearModule> carried : targets.bySlot()) {
      if (p > 0 && carried.isPresent()) {
        LinearModule module = carried.get();
        int width = Math.toIntExact(module.inFeatures(config));
        Tensor mask = ops.empty(scope, targets.type(), batch.length(), width);
        masks.add(mask);
        if (ops.torch().device().sharesHostMemory()) {
          ops.zeroRows(scope, mask, batch.tokens());
          byHost(tasks, mask, batch, row -> key(seed, step, row, layer, module.ordinal()));
        } else {
          byDevice(scope, ops, mask, batch, row -> key(seed, step, row, layer, module.ordinal()));
        }
      } else {
        masks.add(none);
      }
    }
    ops.torch().times().in("dropout_masks", () -> workers.run(tasks));
    return masks;
  }

  private void byHost(
      List<Runnable> tasks, Tensor mask, TokenBatch batch, IntToLongFunction keyOfRow) {
    int width = Math.toIntExact(mask.size(1));
    ByteBuffer bytes = mask.bytes();
    for (TokenBatch.RowSpan row : batch.rows()) {
      long key = keyOfRow.applyAsLong(row.indexInStep());
      int first = row.from() * width;
      int count = row.count() * width;
      tasks.add(() -> writer.write(bytes, mask.type(), first, count, key));
    }
  }

  private void byDevice(
      Scope scope, Ops ops, Tensor mask, TokenBatch batch, IntToLongFunction keyOfRow) {
    long width = mask.size(1);
    List<DropoutRow> rows =
        batch.rows().stream()
            .map(
                row ->
                    new DropoutRow(
                        row.from() * width,
                        row.count() * width,
                        keyOfRow.applyAsLong(row.indexInStep())))
            .toList();
    ops.onDevice().dropoutMask(scope, mask, rows, writer.chance());
  }

  /** Which modules carry LoRA, and the element type of their inputs. */
  record Targets(List<LinearModule> modules, ElementType type) {
    /** The module of each of the seven slots. */
    private List<Optional<LinearModule>> bySlot() {
      List<Optional<LinearModule>> slots = new ArrayList<>();
      for (int slot = 0; slot < LinearModule.SLOTS; slot++) {
        int wanted = slot;
        slots.add(modules.stream().filter(module -> module.slot() == wanted).findFirst());
      }
      return slots;
    }
  }

  /** What a counter's numbers are drawn under. */
  static long key(long seed, long step, long row, long layer, long module) {
    long key = mix(seed + 0x9E3779B97F4A7C15L);
    for (long part : new long[] {step, row, layer, module}) {
      key = mix(key ^ (part + 0x9E3779B97F4A7C15L));
    }
    return key;
  }

  /** SplitMix64's finaliser. */
  private static long mix(long z) {
    z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
    z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
    return z ^ (z >>> 31);
  }
}
