package org.sparkfinetune.spark.cluster;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.OptionalInt;
import org.apache.spark.SparkConf;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.sparkfinetune.config.Parallelism.DdpBackend;
import org.sparkfinetune.config.TrainConfig.DeviceChoice;
import org.sparkfinetune.errors.UserError;

class ExecutorSettingsTest {
  @Test
  void what_training_needs_is_added() {
    SparkConf conf = conf("yarn").set("spark.executor.cores", "4");
    ExecutorSettings.apply(conf, OptionalInt.empty());
    assertThat(conf.get("spark.executor.extraJavaOptions"))
        .isEqualTo("--add-modules=jdk.incubator.vector -Dai.djl.pytorch.num_threads=4");
    assertThat(conf.get("spark.executorEnv.OMP_NUM_THREADS")).isEqualTo("4");
    assertThat(conf.get("spark.executorEnv.DJL_OFFLINE")).isEqualTo("true");
    assertThat(conf.get("spark.executorEnv.GLIBC_TUNABLES"))
        .contains("mmap_threshold=1073741824", "hugetlb=1", "arena_max=1");
    assertThat(conf.get("spark.executorEnv.GOMP_SPINCOUNT")).isEqualTo("10000");
    assertThat(conf.get("spark.task.reaper.enabled")).isEqualTo("true");
    assertThat(conf.get("spark.scheduler.minRegisteredResourcesRatio")).isEqualTo("1.0");
  }

  @Test
  void what_the_user_set_stays() {
    SparkConf conf =
        conf("yarn")
            .set("spark.executor.cores", "4")
            .set("spark.executorEnv.OMP_NUM_THREADS", "3")
            .set("spark.task.reaper.enabled", "false")
            .set(
                "spark.executor.extraJavaOptions",
                "-Dai.djl.pytorch.num_threads=3 --add-modules jdk.incubator.vector -Xss8m");
    ExecutorSettings.apply(conf, OptionalInt.empty());
    assertThat(conf.get("spark.executor.extraJavaOptions"))
        .isEqualTo("-Dai.djl.pytorch.num_threads=3 --add-modules jdk.incubator.vector -Xss8m");
    assertThat(conf.get("spark.executorEnv.OMP_NUM_THREADS")).isEqualTo("3");
    assertThat(conf.get("spark.task.reaper.enabled")).isEqualTo("false");
  }

  @Test
  void the_users_java_options_are_joined_with_ours_and_applying_twice_changes_nothing() {
    SparkConf conf =
        conf("local-cluster[2,3,1024]").set("spark.executor.extraJavaOptions", " -Xss8m ");
    ExecutorSettings.apply(conf, OptionalInt.empty());
    ExecutorSettings.apply(conf, OptionalInt.empty());
    assertThat(conf.get("spark.executor.extraJavaOptions"))
        .isEqualTo("-Xss8m --add-modules=jdk.incubator.vector -Dai.djl.pytorch.num_threads=3");
  }

  @Test
  void cuda_without_gpus_of_sparks_is_told_before_anything_starts() {
    SparkConf conf = conf("local-cluster[2,1,1024]");
    assertThatThrownBy(() -> ExecutorSettings.checkDevice(conf, DeviceChoice.CUDA))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("spark.executor.resource.gpu.amount is not set");
    ExecutorSettings.checkDevice(conf, DeviceChoice.AUTO);
    conf.set("spark.executor.resource.gpu.amount", "1");
    ExecutorSettings.checkDevice(conf, DeviceChoice.CUDA);
  }

  @Test
  void nccl_without_gpus_of_sparks_is_told_before_anything_starts() {
    SparkConf conf = conf("local-cluster[2,1,1024]");
    assertThatThrownBy(() -> ExecutorSettings.checkBackend(conf, DdpBackend.NCCL))
        .isInstanceOf(UserError.class)
        .hasMessageStartingWith("ddp_backend: nccl, but spark.executor.resource.gpu.amount")
        .hasMessageEndingWith("or use ddp_backend: auto or spark.");
    ExecutorSettings.checkBackend(conf, DdpBackend.AUTO);
    conf.set("spark.executor.resource.gpu.amount", "1");
    ExecutorSettings.checkBackend(conf, DdpBackend.NCCL);
  }

  @Test
  void executors_of_few_cores_get_the_small_collector_unless_the_user_chose_one() {
    SparkConf few = conf("local-cluster[2,2,1024]");
    ExecutorSettings.apply(few, OptionalInt.empty());
    assertThat(few.get("spark.executor.extraJavaOptions")).endsWith(" -XX:+UseSerialGC");

    SparkConf chosen =
        conf("local-cluster[2,1,1024]")
            .set("spark.executor.extraJavaOptions", "-XX:+UseParallelGC");
    ExecutorSettings.apply(chosen, OptionalInt.empty());
    assertThat(chosen.get("spark.executor.extraJavaOptions")).doesNotContain("SerialGC");
  }

  @Test
  void cores_that_are_not_known_beforehand_set_no_thread_counts() {
    SparkConf conf = conf("spark://master:7077");
    ExecutorSettings.apply(conf, OptionalInt.empty());
    assertThat(conf.contains("spark.executorEnv.OMP_NUM_THREADS")).isFalse();
    assertThat(conf.get("spark.executor.extraJavaOptions")).doesNotContain("num_threads");
  }

  @Test
  void an_executor_that_no_worker_of_a_local_cluster_has_room_for_is_refused() {
    SparkConf conf = conf("local-cluster[2,1,768]").set("spark.executor.memory", "768m");
    ExecutorSettings.check(conf, OptionalInt.of(2));
    conf.set("spark.executor.memory", "1g");
    assertThatThrownBy(() -> ExecutorSettings.check(conf, OptionalInt.of(2)))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("spark.executor.memory is 1g")
        .hasMessageContaining("local-cluster[2,1,768] gives its workers 768 MiB each");
  }

  @Test
  void a_check_starts_executors_only_where_they_are_on_other_machines_or_look_for_devices() {
    assertThat(ExecutorSettings.forCheck(conf("spark://m:7077")).get("spark.master"))
        .isEqualTo("spark://m:7077");
    assertThat(ExecutorSettings.forCheck(conf("local[3]")).get("spark.master"))
        .isEqualTo("local[3]");
    SparkConf here = conf("local-cluster[2,1,1024]");
    assertThat(ExecutorSettings.forCheck(here).get("spark.master")).isEqualTo("local[1]");
    assertThat(here.get("spark.master")).isEqualTo("local-cluster[2,1,1024]");
    here.set("spark.executor.resource.gpu.amount", "1");
    assertThat(ExecutorSettings.forCheck(here).get("spark.master"))
        .isEqualTo("local-cluster[2,1,1024]");
  }

  @Test
  void ranks_of_a_local_cluster_are_known_before_it_starts() {
    ClusterSettings two = ClusterSettings.of(conf("local-cluster[2,4,1024]"));
    assertThat(RankPlanner.expected(two, OptionalInt.empty()))
        .isEqualTo(new RankPlanner.RankPlan(2, 4));
    assertThat(RankPlanner.expected(two, OptionalInt.of(1)).worldSize()).isEqualTo(1);
    assertThatThrownBy(() -> RankPlanner.expected(two, OptionalInt.of(3)))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("num_ranks is 3");
    ClusterSettings none =
        ClusterSettings.of(conf("local-cluster[2,1,1024]").set("spark.cores.max", "0"));
    assertThatThrownBy(() -> RankPlanner.expected(none, OptionalInt.empty()))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("allow 0 executors");
  }

  @Test
  void dynamic_allocation_is_refused() {
    SparkConf conf = conf("yarn").set("spark.dynamicAllocation.enabled", "true");
    assertThatThrownBy(() -> ExecutorSettings.apply(conf, OptionalInt.empty()))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("spark.dynamicAllocation.enabled is true")
        .hasMessageContaining("--conf spark.dynamicAllocation.enabled=false");
  }

  @ParameterizedTest
  @CsvSource({
    "local[8], '', '', 1",
    "'local-cluster[2,4,1024]', '', '', 2",
    "'local-cluster[1,2,2048]', 1, '', 2",
    "'local-cluster[2,1,1024]', '', 1, 1",
    "spark://m:7077, 4, 12, 3",
    "yarn, 4, '', 2"
  })
  void more_ranks_than_the_settings_allow_are_refused_before_anything_starts(
      String master, String executorCores, String coresMax, int executors) {
    SparkConf conf = conf(master);
    if (!executorCores.isEmpty()) {
      conf.set("spark.executor.cores", executorCores);
    }
    if (!coresMax.isEmpty()) {
      conf.set("spark.cores.max", coresMax);
    }
    ExecutorSettings.check(conf, OptionalInt.of(executors));
    assertThatThrownBy(() -> ExecutorSettings.check(conf, OptionalInt.of(executors + 1)))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("num_ranks is " + (executors + 1))
        .hasMessageContaining(master + " allow " + executors + " executor");
  }

  private static SparkConf conf(String master) {
    return new SparkConf(false).setMaster(master);
  }
}
