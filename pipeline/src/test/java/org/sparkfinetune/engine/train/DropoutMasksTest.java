package org.sparkfinetune.engine.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.sparkfinetune.data.tokenize.PackedRows.PackedRow;
import org.sparkfinetune.engine.fsdp.Workers;
import org.sparkfinetune.engine.tensor.ComputeDevice;
import org.sparkfinetune.engine.tensor.OnDevice.DropoutRow;
import org.sparkfinetune.engine.tensor.Ops;
import org.sparkfinetune.engine.tensor.Scope;
import org.sparkfinetune.engine.tensor.Tensor;
import org.sparkfinetune.engine.tensor.Tensor.ElementType;
import org.sparkfinetune.engine.tensor.Torch;
import org.sparkfinetune.engine.train.StepSchedule.StepRow;
import org.sparkfinetune.model.family.LinearModule;

class DropoutMasksTest {
  private static final double P = 0.1;
  private static final List<PackedRow> ROWS = GoldenRun.rows();

  @Test
  void a_tenth_is_dropped_and_the_rest_made_larger_by_as_much() {
    float[] mask = mask(1, 1, 0, 0);
    assertThat(mask).containsOnly(0, (float) (1 / (1 - P)));
    double kept = 0;
    for (float factor : mask) {
      kept += factor;
    }
    assertThat(kept / mask.length).isCloseTo(1, within(4 * Math.sqrt(P / mask.length)));
  }

  @Test
  void seed_step_row_and_layer_each_give_another_mask_and_the_same_ones_the_same() {
    Set<List<Float>> masks = new HashSet<>();
    for (long[] key : new long[][] {{1, 1, 0, 0}, {2, 1, 0, 0}, {1, 2, 0, 0}, {1, 1, 1, 0}}) {
      masks.add(list(mask(key[0], key[1], (int) key[2], (int) key[3])));
      masks.add(list(mask(key[0], key[1], (int) key[2], (int) key[3])));
    }
    masks.add(list(mask(1, 1, 0, 1)));
    assertThat(masks).hasSize(5);
  }

  @Test
  void modules_of_equal_input_have_masks_of_their_own() {
    Set<List<Float>> masks = new HashSet<>();
    all(1, 1, List.of(new StepRow(ROWS.get(0), 0)), 0).forEach((mask) -> masks.add(list(mask)));
    assertThat(masks).hasSize(LinearModule.SLOTS);
  }

  @Test
  void a_row_has_its_mask_in_whatever_batch_it_is() {
    float[] alone = mask(1, 1, 1, 0);
    float[] second =
        all(1, 1, List.of(new StepRow(ROWS.get(0), 0), new StepRow(ROWS.get(1), 1)), 0).get(0);
    assertThat(Arrays.copyOfRange(second, second.length - alone.length, second.length))
        .isEqualTo(alone);
  }

  /** Masks are made in pieces, of 4,096 elements. */
  @Test
  void a_long_row_begins_as_a_short_one_and_does_not_repeat_itself() {
    float[] mask = all(1, 1, ofOneRow(5000), 0).get(0);
    float[] begin = all(1, 1, ofOneRow(10), 0).get(0);
    assertThat(Arrays.copyOf(mask, begin.length)).isEqualTo(begin);
    int piece = 1 << 12;
    assertThat(mask.length).isGreaterThan(piece + begin.length);
    assertThat(Arrays.copyOfRange(mask, piece, piece + begin.length)).isNotEqualTo(begin);
    assertThat(Arrays.copyOfRange(mask, mask.length - 1000, mask.length))
        .contains(0)
        .contains((float) (1 / (1 - P)));
  }

  /** The script makes them in chunks too, of 4 Mi elements. */
  @ParameterizedTest
  @EnumSource(
      value = ElementType.class,
      names = {"FLOAT32", "BFLOAT16"})
  void the_devices_masks_are_the_hosts_to_the_last_bit(ElementType type) {
    List<TokenBatch> batches = new ArrayList<>(List.of(ofOneRow(70_000)));
    List<StepRow> rows = List.of(new StepRow(ROWS.get(0), 0), new StepRow(ROWS.get(1), 5));
    batches.addAll(TokenBatch.of(rows, 1000, TokenBatch.Attention.WITHIN_SAMPLES));
    for (TokenBatch batch : batches) {
      List<float[]> host = all(7, 3, batch, 1, type, new ComputeDevice.Cpu());
      List<float[]> device = all(7, 3, batch, 1, type, new ComputeDevice.Staged());
      for (int i = 0; i < host.size(); i++) {
        assertThat(Arrays.equals(device.get(i), host.get(i))).as("module %d", i).isTrue();
      }
    }
  }

  /** On a GPU without kernels of ours: its own generator, seeded for each row. */
  @Test
  void a_seeded_rows_mask_depends_on_its_key_and_length_alone() {
    DropoutRow one = new DropoutRow(0, 3000, 5);
    DropoutRow other = new DropoutRow(3000, 2000, -7);
    float[] both = seeded(List.of(one, other), 6000);
    assertThat(both).containsOnly(0, (float) (1 / (1 - P)));
    assertThat(Arrays.copyOfRange(both, 5000, 6000)).containsOnly(0);
    double kept = 0;
    for (float factor : both) {
      kept += factor;
    }
    assertThat(kept / 5000).isCloseTo(1, within(4 * Math.sqrt(P / 5000)));
    float[] turned =
        seeded(List.of(new DropoutRow(0, 2000, -7), new DropoutRow(2000, 3000, 5)), 5000);
    assertThat(Arrays.copyOfRange(turned, 0, 2000)).isEqualTo(Arrays.copyOfRange(both, 3000, 5000));
    assertThat(Arrays.copyOfRange(turned, 2000, 5000)).isEqualTo(Arrays.copyOf(both, 3000));
  }

  private static float[] seeded(List<DropoutRow> rows, int length) {
    try (Torch torch = Torch.start(1);
        Scope scope = torch.scope()) {
      Tensor mask = new Ops(torch).empty(scope, ElementType.FLOAT32, length);
      new Ops(torch).onDevice().seededMask(scope, mask, rows, new MaskWriter(P).chance());
      return mask.toFloats();
    }
  }

  private static TokenBatch ofOneRow(int tokens) {
    return new TokenBatch(
        new int[tokens],
        new int[tokens],
        new int[tokens],
        new long[] {0, tokens},
        List.of(new TokenBatch.RowSpan(0, 0, 0, tokens)));
  }

  private static float[] mask(long seed, long step, int row, int layer) {
    return all(seed, step, List.of(new StepRow(ROWS.get(row), row)), layer).get(0);
  }

  private static List<float[]> all(long seed, long step, List<StepRow> rows, int layer) {
    return all(
        seed, step, TokenBatch.of(rows, 1000, TokenBatch.Attention.WITHIN_SAMPLES).get(0), layer);
  }

  private static List<float[]> all(long seed, long step, TokenBatch batch, int layer) {
    return all(seed, step, batch, layer, ElementType.FLOAT32, new ComputeDevice.Cpu());
  }

  /** Of a row of 700 tokens. */
  static List<float[]> all(ElementType type, ComputeDevice device) {
    return all(7, 3, ofOneRow(700), 1, type, device);
  }

  private static List<float[]> all(
      long seed, long step, TokenBatch batch, int layer, ElementType type, ComputeDevice device) {
    List<float[]> masks = new ArrayList<>();
    try (Torch torch = Torch.start(1, device);
        Scope scope = torch.scope();
        Workers workers = new Workers(2)) {
      Ops ops = new Ops(torch);
      Tensor none = ops.empty(scope, ElementType.FLOAT32, 0);
      var targets = new DropoutMasks.Targets(LinearModule.of(GoldenRun.config()), type);
      for (Tensor mask :
          new DropoutMasks(P, seed, GoldenRun.config(), workers)
              .masks(scope, ops, batch, step, layer, targets, none)) {
        Tensor floats = ops.cast(scope, mask, ElementType.FLOAT32);
        float[] all = ops.hostMemory().toHost(scope, floats).toFloats();
        int width = (int) mask.size(1);
        assertThat(Arrays.copyOfRange(all, batch.tokens() * width, all.length))
            .as("padding")
            .matches(DropoutMasksTest::isZero, "zeros");
        masks.add(Arrays.copyOf(all, batch.tokens() * width));
      }
    }
    return masks;
  }

  private static boolean isZero(float[] values) {
    for (float value : values) {
      if (value != 0) {
        return false;
      }
    }
    return true;
  }

  private static List<Float> list(float[] values) {
    List<Float> list = new ArrayList<>();
    for (float value : values) {
      list.add(value);
    }
    return list;
  }
}
