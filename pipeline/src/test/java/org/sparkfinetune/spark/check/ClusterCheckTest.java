package org.sparkfinetune.spark.check;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Optional;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.Test;
import org.sparkfinetune.bench.ModelShape;
import org.sparkfinetune.config.ConfigLoader;
import org.sparkfinetune.config.TrainConfig;
import org.sparkfinetune.config.TrainConfig.Compute;
import org.sparkfinetune.config.TrainConfig.DeviceChoice;
import org.sparkfinetune.config.TrainConfig.GradientCheckpointing;
import org.sparkfinetune.spark.check.CheckReport.CheckLine;

class ClusterCheckTest {
  @Test
  void gpus_in_use_pass_idle_ones_warn_and_objections_fail() {
    assertThat(gpus(found("", "cpu", ""))).isEmpty();
    CheckLine used = gpus(found("0", "cuda:0", ""), found("1", "cuda:1", "")).orElseThrow();
    assertThat(used.verdict()).isEqualTo(CheckLine.Verdict.PASSED);
    assertThat(used.what()).startsWith("Spark gives a GPU to 2 of 2 rank(s)");
    CheckLine idle = gpus(found("0", "cpu", ""), found("1", "cpu", "")).orElseThrow();
    assertThat(idle.verdict()).isEqualTo(CheckLine.Verdict.WARNED);
    assertThat(idle.advice().orElseThrow()).contains("device: cpu");
    CheckLine unusable = gpus(unused("0", "no driver")).orElseThrow();
    assertThat(unusable.verdict()).isEqualTo(CheckLine.Verdict.WARNED);
    assertThat(unusable.advice()).hasValue("no driver");
    CheckLine old = gpus(found("0", "cuda:0", ""), found("1", "", "bf16: true …")).orElseThrow();
    assertThat(old.verdict()).isEqualTo(CheckLine.Verdict.FAILED);
    assertThat(old.what()).isEqualTo("bf16: true …");
  }

  @Test
  void whether_two_runs_give_the_same_bits_is_said_where_a_gpu_computes() {
    List<ClusterProbe.Found> gpu = List.of(found("0", "cuda:0", ""));
    assertThat(ClusterCheck.determinism(gpu, compute(true)).orElseThrow().what())
        .startsWith("deterministic: the same run gives the same bits");
    assertThat(ClusterCheck.determinism(gpu, compute(false)).orElseThrow().what())
        .startsWith("deterministic: false");
    assertThat(ClusterCheck.determinism(List.of(found("", "cpu", "")), compute(true))).isEmpty();
  }

  @Test
  void what_offload_costs_is_said() {
    CheckLine offload = weights("full_shard offload");
    assertThat(offload.verdict()).isEqualTo(CheckLine.Verdict.WARNED);
    assertThat(offload.what())
        .isEqualTo(
            "0.0 of 4.7 GB of frozen weights stay on the GPU; 9.3 GB are copied there for each step, which takes 0.4 s at PCIe 4.0's 25 GB/s, beside computing");
    CheckLine kept = weights("full_shard");
    assertThat(kept.verdict()).isEqualTo(CheckLine.Verdict.PASSED);
    assertThat(kept.what()).isEqualTo("all 4.7 GB of frozen weights stay on the GPU");
  }

  private static CheckLine weights(String fsdp) {
    TrainConfig config =
        new ConfigLoader(new Configuration())
            .train(
                Optional.empty(),
                List.of(
                    "--model_id", "m", "--dataset_path", "d", "--output_dir", "o", "--fsdp", fsdp))
            .config();
    return ClusterCheck.weights(config, ModelShape.named("llama-3-8b").config(), 24L << 30, 1);
  }

  private static Compute compute(boolean deterministic) {
    return new Compute(DeviceChoice.AUTO, true, GradientCheckpointing.ON, deterministic);
  }

  @Test
  void what_an_executor_has_travels_as_bytes() {
    ClusterProbe.Found found = unused("0", "no driver");
    byte[] bytes = found.encoded().getBytes(java.nio.charset.StandardCharsets.UTF_8);
    assertThat(ClusterProbe.Found.decoded(bytes)).isEqualTo(found);
  }

  private static Optional<CheckLine> gpus(ClusterProbe.Found... found) {
    return ClusterCheck.gpus(List.of(found));
  }

  private static ClusterProbe.Found found(String gpu, String device, String objection) {
    return new ClusterProbe.Found(
        "worker", 1, 1, 1, gpu, device, 7, objection, "", ClusterProbe.Sight.SEES_MODEL);
  }

  private static ClusterProbe.Found unused(String gpu, String why) {
    return new ClusterProbe.Found(
        "worker", 1, 1, 1, gpu, "cpu", 0, "", why, ClusterProbe.Sight.SEES_MODEL);
  }
}
