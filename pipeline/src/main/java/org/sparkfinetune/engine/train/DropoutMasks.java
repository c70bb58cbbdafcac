package org.sparkfinetune.engine.train;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.sparkfinetune.engine.fsdp.Workers;
import org.sparkfinetune.engine.tensor.Ops;
import org.sparkfinetune.engine.tensor.Scope;
import org.sparkfinetune.engine.tensor.Tensor;
import org.sparkfinetune.engine.tensor.Tensor.ElementType;
import org.sparkfinetune.model.family.DecoderConfig;
import org.sparkfinetune.model.family.LinearModule;

/**
 * LoRA's dropout as a function of (seed, step, row within the global step, layer, module, token,
 * feature) alone: recomputation sees the same mask, and neither ranks nor micro-batches change it.
 * Where host code does not see tensors' memory a script does {@link MaskWriter}'s arithmetic.
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
        ops.zeroRows(scope, mask, batch.tokens());
        masks.add(mask);
        for (TokenBatch.RowSpan row : batch.rows()) {
          long key = key(seed, step, row.indexInStep(), layer, module.ordinal());
          if (ops.torch().device().sharesHostMemory()) {
            ByteBuffer bytes = mask.bytes();
            int first = row.from() * width;
            int count = row.count() * width;
            tasks.add(() -> writer.write(bytes, targets.type(), first, count, key));
          } else {
            byScript(scope, ops, mask, row, key);
          }
        }
      } else {
        masks.add(none);
      }
    }
    ops.torch().times().in("dropout_masks", () -> workers.run(tasks));
    return masks;
  }

  private void byScript(Scope scope, Ops ops, Tensor mask, TokenBatch.RowSpan row, long key) {
    long width = mask.size(1);
    ops.onDevice()
        .dropoutMask(scope, mask, row.from() * width, row.count() * width, writer.counter(key));
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
