package org.sparkfinetune.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.sparkfinetune.tensor.LayerKeep;

class RanksParityTest {
  @TempDir Path scratch;

  @Test
  void dropout_included_any_number_of_ranks_gives_the_losses_of_one() throws Exception {
    List<GoldenRun.Step> one = run(1).steps();
    for (int ranks : new int[] {2, 3, 4}) {
      List<GoldenRun.Step> several = run(ranks).steps();
      for (int i = 0; i < one.size(); i++) {
        double loss = one.get(i).loss();
        assertThat(several.get(i).loss())
            .as("step %d on %d ranks", i + 1, ranks)
            .isCloseTo(loss, within(1e-5 * loss));
      }
    }
  }

  @Test
  void the_same_run_twice_gives_the_same_bits() throws Exception {
    GoldenRun.Result first = run(2);
    GoldenRun.Result second = run(2);
    assertThat(second.steps()).isEqualTo(first.steps());
    first.weights().forEach((name, w) -> assertThat(second.weights().get(name)).isEqualTo(w));
  }

  @ParameterizedTest
  @EnumSource(GoldenRun.What.class)
  void whatever_is_kept_of_a_layer_and_wherever_the_numbers_are_the_same_bits(GoldenRun.What what)
      throws Exception {
    GoldenRun.Result recomputed = keeping(what, LayerKeep.NOTHING, ModelRecipe.Inputs.IN_MEMORY);
    for (LayerKeep keep : LayerKeep.values()) {
      assertThat(keeping(what, keep, ModelRecipe.Inputs.IN_A_FILE).steps())
          .as(keep.name())
          .isEqualTo(recomputed.steps());
    }
  }

  private GoldenRun.Result keeping(GoldenRun.What what, LayerKeep keep, ModelRecipe.Inputs inputs)
      throws Exception {
    double dropout = what == GoldenRun.What.FULL ? 0 : 0.05;
    return new GoldenRun(what, Precision.BFLOAT16_STORED, dropout, scratch)
        .keeping(keep, inputs)
        .run(2, 3, step -> 2e-3, 0.3, 0);
  }

  @Test
  void dropout_is_there() throws Exception {
    GoldenRun without = new GoldenRun(GoldenRun.What.QLORA, Precision.FLOAT32, 0, scratch);
    assertThat(without.run(1, 2, step -> 2e-3, 0.3, 0).steps().get(0).loss())
        .isNotEqualTo(run(1).steps().get(0).loss());
  }

  private GoldenRun.Result run(int ranks) throws Exception {
    return new GoldenRun(GoldenRun.What.QLORA, Precision.FLOAT32, 0.05, scratch)
        .run(ranks, 20, step -> 2e-3, 0.3, 0);
  }
}
