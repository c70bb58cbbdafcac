package org.sparkfinetune.engine.train;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.assertj.core.data.Percentage;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.sparkfinetune.bench.ModelShape;
import org.sparkfinetune.engine.fsdp.FrozenLayout;
import org.sparkfinetune.engine.fsdp.WeightSource.PlainType;
import org.sparkfinetune.model.family.DecoderConfig;
import org.sparkfinetune.model.peft.LoraTargets;
import org.sparkfinetune.testing.TestLora;

class ShardBytesTest {
  private static final DecoderConfig MODEL = ModelShape.named("llama-135m").config();

  @ParameterizedTest
  @EnumSource(ModelGroups.Base.class)
  void every_rank_holds_its_part_of_the_frozen_bytes_to_two_percent(ModelGroups.Base base) {
    long whole = bytes(base, 1, 0);
    for (int ranks : new int[] {2, 3, 4, 8}) {
      for (int rank = 0; rank < ranks; rank++) {
        assertThat((double) bytes(base, ranks, rank))
            .as("rank %d of %d", rank, ranks)
            .isCloseTo((double) whole / ranks, Percentage.withPercentage(2));
      }
    }
  }

  private static long bytes(ModelGroups.Base base, int ranks, int rank) {
    LoraTargets targets = TestLora.targets(MODEL, 16, 1, List.of("all-linear"));
    return ModelGroups.of(MODEL, new ModelGroups.Method.Lora(targets, List.of(), base)).stream()
        .map(g -> new FrozenLayout(g.quantized(), g.plain(), PlainType.BFLOAT16, ranks))
        .mapToLong(layout -> layout.sliceBytes(rank))
        .sum();
  }
}
