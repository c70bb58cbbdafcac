package org.sparkfinetune.train;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import org.sparkfinetune.fsdp.Workers;
import org.sparkfinetune.llama.LinearModule;
import org.sparkfinetune.llama.LlamaConfig;
import org.sparkfinetune.tensor.DropoutCounter;
import org.sparkfinetune.tensor.ElementType;
import org.sparkfinetune.tensor.Ops;
import org.sparkfinetune.tensor.Scope;
import org.sparkfinetune.tensor.Tensor;

/**
 * LoRA's dropout as a function of (seed, step, row within the global step, layer, module, token,
 * feature) alone: recomputation sees the same mask, and neither ranks nor micro-batches change it.
 * Each element hashes its counter under a key of the rest (MurmurHash3's finaliser); it is kept if
 * the upper 24 bits reach p x 2^24. Where host code does not see tensors' memory a script does the
 * same arithmetic.
 */
final class DropoutMasks {
  /** Elements made at a time: whole masks would fill the heap of the JVM with garbage. */
  private static final int PIECE = 1 << 15;

  private final double p;
  private final long seed;
  private final LlamaConfig config;
  private final Workers workers;

  DropoutMasks(double p, long seed, LlamaConfig config, Workers workers) {
    this.p = p;
    this.seed = seed;
    this.config = config;
    this.workers = workers;
  }

  /** Seven masks (N, in) of 0 or 1/(1-p); for p = 0, and for modules without LoRA, {@code none}. */
  List<Tensor> masks(
      Scope scope, Ops ops, TokenBatch batch, long step, int layer, Targets targets, Tensor none) {
    List<Tensor> masks = new ArrayList<>();
    List<Runnable> tasks = new ArrayList<>();
    for (LinearModule module : LinearModule.all()) {
      if (p > 0 && targets.has(module)) {
        int width = Math.toIntExact(module.inFeatures(config));
        Tensor mask = ops.empty(scope, targets.type(), batch.tokens(), width);
        masks.add(mask);
        for (TokenBatch.RowSpan row : batch.rows()) {
          long key = key(step, row.indexInStep(), layer, module.ordinal());
          if (ops.torch().device().sharesHostMemory()) {
            ByteBuffer bytes = mask.bytes();
            tasks.add(() -> fill(bytes, targets.type(), row, width, key));
          } else {
            byScript(scope, ops, mask, row, key);
          }
        }
      } else {
        masks.add(none);
      }
    }
    workers.run(tasks);
    return masks;
  }

  private void byScript(Scope scope, Ops ops, Tensor mask, TokenBatch.RowSpan row, long key) {
    long width = mask.size(1);
    DropoutCounter counter =
        new DropoutCounter((int) key, (int) (key >>> 32), threshold(), keepScale());
    ops.onDevice().dropoutMask(scope, mask, row.from() * width, row.count() * width, counter);
  }

  /** Which modules carry LoRA, and the element type of their inputs. */
  record Targets(List<LinearModule> modules, ElementType type) {
    boolean has(LinearModule module) {
      return modules.contains(module);
    }
  }

  private void fill(
      ByteBuffer bytes, ElementType type, TokenBatch.RowSpan row, int width, long key) {
    int count = row.count() * width;
    int[] kept = new int[Math.min(PIECE, count)];
    for (int first = 0; first < count; first += PIECE) {
      int n = Math.min(PIECE, count - first);
      fill(kept, n, first, key);
      put(bytes, type, row.from() * width + first, kept, n);
    }
  }

  private static void put(ByteBuffer bytes, ElementType type, int at, int[] kept, int count) {
    if (type == ElementType.FLOAT32) {
      bytes.asIntBuffer().put(at, kept, 0, count);
      return;
    }
    short[] upper = new short[count];
    for (int i = 0; i < count; i++) {
      upper[i] = (short) ((kept[i] + 0x8000) >>> 16);
    }
    bytes.asShortBuffer().put(at, upper);
  }

  private long key(long step, int row, int layer, int module) {
    long key = mix(seed + 0x9E3779B97F4A7C15L);
    for (long part : new long[] {step, row, layer, module}) {
      key = mix(key ^ (part + 0x9E3779B97F4A7C15L));
    }
    return key;
  }

  /**
   * Bits of float32 1/(1-p) where kept, 0 where dropped, of {@code count} elements from {@code
   * first} on; plain integer arithmetic vectorises.
   */
  private void fill(int[] out, int count, int first, long key) {
    int low = (int) key;
    int high = (int) (key >>> 32);
    int threshold = threshold();
    int keep = Float.floatToRawIntBits(keepScale());
    for (int i = 0; i < count; i++) {
      int x = ((first + i) * 0x9E3779B1 + low) ^ high;
      x ^= x >>> 16;
      x *= 0x85EBCA6B;
      x ^= x >>> 13;
      x *= 0xC2B2AE35;
      x ^= x >>> 16;
      int dropped = ((x >>> 8) - threshold) >> 31;
      out[i] = keep & ~dropped;
    }
  }

  private int threshold() {
    return (int) Math.round(p * (1 << 24));
  }

  private float keepScale() {
    return (float) (1 / (1 - p));
  }

  /** SplitMix64's finaliser. */
  private static long mix(long z) {
    z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
    z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
    return z ^ (z >>> 31);
  }
}
