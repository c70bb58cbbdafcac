package org.sparkfinetune.spark.train;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.Test;
import org.sparkfinetune.config.ConfigLoader;
import org.sparkfinetune.engine.checkpoint.CheckpointManifest.RunIdentity;

final class RunIdentitiesTest {
  private static RunIdentity of(String key, String value) {
    return RunIdentities.of(
        new ConfigLoader(new Configuration())
            .train(
                Optional.empty(),
                List.of("--model_id", "m", "--dataset_path", "d", "--output_dir", "r", key, value)),
        "model",
        "rows");
  }

  @Test
  void a_run_goes_on_with_its_optimizer_alone_under_either_of_its_names() {
    RunIdentity now = of("--optim", "adamw_torch");
    assertThat(now.differences(of("--optim", "adamw_torch_fused"))).isEmpty();
    assertThat(now.differences(of("--optim", "paged_adamw_32bit"))).isEmpty();
    RunIdentity codes = of("--optim", "adamw_8bit");
    assertThat(codes.differences(of("--optim", "adamw_bnb_8bit"))).isEmpty();
    assertThat(codes.differences(of("--optim", "paged_adamw_8bit"))).isEmpty();
    assertThat(codes.differences(now))
        .containsExactly("optim: adamw_8bit in the checkpoint, adamw_torch now");
    Map<String, String> other = new TreeMap<>(now.values());
    other.put("optim", "lion");
    assertThat(new RunIdentity(other).differences(now))
        .containsExactly("optim: lion in the checkpoint, adamw_torch now");
  }

  @Test
  void what_shapes_the_result_has_to_stay_and_the_rest_may_change() {
    RunIdentity now = of("--seed", "42");
    assertThat(of("--seed", "43").differences(now))
        .containsExactly("seed: 43 in the checkpoint, 42 now");
    assertThat(of("--logging_steps", "3").differences(now)).isEmpty();
  }
}
