package org.sparkfinetune.engine.train;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.sparkfinetune.engine.tensor.DeviceSizes;

class ActivationBudgetTest {
  private static List<List<Integer>> groups(ActivationBudget budget, int... tokens) {
    List<TokenBatch> batches = Arrays.stream(tokens).mapToObj(ActivationBudgetTest::batch).toList();
    return budget.groups(batches).stream()
        .map(group -> group.stream().map(TokenBatch::tokens).toList())
        .toList();
  }

  private static TokenBatch batch(int tokens) {
    int[] ids = new int[tokens];
    return new TokenBatch(ids, ids, ids, new long[] {0, tokens}, List.of());
  }

  @Test
  void what_is_within_the_budget_goes_together() {
    assertThat(groups(new ActivationBudget(512, 2, 10), 64, 128, 64))
        .containsExactly(List.of(64, 128, 64));
  }

  @Test
  void more_goes_in_groups_as_large_as_the_budget_allows() {
    assertThat(groups(new ActivationBudget(384, 2, 10), 64, 128, 64, 32, 70))
        .containsExactly(List.of(64, 128), List.of(64, 32), List.of(70));
  }

  @Test
  void a_batch_alone_above_the_budget_is_a_group() {
    assertThat(groups(new ActivationBudget(128, 2, 10), 100, 32, 32))
        .containsExactly(List.of(100), List.of(32, 32));
  }

  @Test
  void where_the_gradients_that_would_wait_are_above_it_too_nothing_is_gained() {
    assertThat(groups(new ActivationBudget(128, 2, 201), 64, 64)).containsExactly(List.of(64, 64));
  }

  @Test
  void a_batch_is_no_longer_than_the_budget_if_that_leaves_enough_to_compute() {
    DeviceSizes sizes = new DeviceSizes(100, 1000, 1, 1, 1, 1, 1);
    assertThat(new ActivationBudget(4000, 2, 10).batchTokens(1000, sizes)).isEqualTo(1000);
    assertThat(new ActivationBudget(600, 2, 10).batchTokens(1000, sizes)).isEqualTo(300);
    assertThat(new ActivationBudget(20, 2, 10).batchTokens(1000, sizes)).isEqualTo(100);
    assertThat(new ActivationBudget(600, 0, 10).batchTokens(1000, sizes)).isEqualTo(1000);
    assertThat(new ActivationBudget(600, 2, 601).batchTokens(1000, sizes)).isEqualTo(1000);
  }

  @Test
  void a_rank_without_batches_takes_part() {
    assertThat(groups(new ActivationBudget(200, 2, 10))).containsExactly(List.of());
  }
}
