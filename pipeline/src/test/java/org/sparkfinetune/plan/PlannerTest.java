package org.sparkfinetune.plan;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import org.apache.hadoop.conf.Configuration;
import org.assertj.core.data.Offset;
import org.assertj.core.data.Percentage;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.sparkfinetune.bench.ModelShape;
import org.sparkfinetune.config.ConfigLoader;
import org.sparkfinetune.config.TrainConfig;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.plan.Plan.PlanJson;

class PlannerTest {
  private static final long GIB = 1L << 30;
  private static final DeviceTable TABLE = DeviceTable.shipped();

  /** The reference's own run. */
  private static final String[] REFERENCE = {
    "--max_seq_length", "3072", "--gradient_accumulation_steps", "2"
  };

  @Test
  void numbers_of_the_models_are_those_that_are_published() {
    Plan small = plan("llama-3-8b", "L20", 1);
    assertThat(small.trained()).isEqualTo(41_943_040);
    assertThat(small.frozen() / 1e9).isBetween(3.60 + 2.10, 3.60 + 2.11);
    Plan large = plan("llama-3-70b", "L20", 4);
    assertThat(large.trained()).isEqualTo(207_093_760);
    assertThat(large.frozen() / 1e9).isBetween(35.31 + 4.20, 35.31 + 4.21);
  }

  /** Of 32 layers the outputs of q, k, v, o, gate, up and down; two embeddings of 4096. */
  @Test
  void what_is_trained_beside_a_and_b_is_counted() {
    long vectors = 32L * (4096 + 1024 + 1024 + 4096 + 14336 + 14336 + 4096);
    assertThat(plan("llama-3-8b", "L20", 1, "--use_dora", "true").trained())
        .isEqualTo(41_943_040 + vectors);
    assertThat(plan("llama-3-8b", "L20", 1, "--lora_bias", "true").trained())
        .isEqualTo(41_943_040 + vectors);
    assertThat(plan("llama-3-8b", "L20", 1, "--trainable_token_indices", "5,7").trained())
        .isEqualTo(41_943_040 + 2 * 4096);
    String[] pissa = {"--method", "lora", "--init_lora_weights", "pissa_niter_16"};
    assertThat(plan("llama-3-8b", "L20", 1, pissa).trained()).isEqualTo(41_943_040);
  }

  /**
   * Full: 8,030,261,248 weights, of which an embedding of 128256 x 4096 keeps float32 moments;
   * norms of 4096 have codes. An adapter of rank 16 has more than 4096 numbers in each A and B.
   */
  @Test
  void moments_in_8_bits_take_two_bytes_and_a_float_for_256() {
    String[] codes = {"--method", "full", "--optim", "adamw_8bit"};
    long embedding = 128256L * 4096;
    long coded = 8_030_261_248L - embedding;
    assertThat(plan("llama-3-8b", "H100", 4, "--method", "full").memory().checkpoint())
        .isEqualTo(12 * 8_030_261_248L);
    assertThat(plan("llama-3-8b", "H100", 4, codes).memory().checkpoint())
        .isEqualTo(4 * (coded + embedding) + 8 * embedding + 2 * coded + 2 * 4 * coded / 256);
    assertThat(state(plan("llama-3-8b", "H100", 4, "--method", "full")))
        .isEqualTo(16 * 8_030_261_248L / 4);
    assertThat(state(plan("llama-3-8b", "H100", 4, codes)))
        .isEqualTo((16 * embedding + 10 * coded + 2 * 4 * coded / 256) / 4);
    assertThat(state(plan("llama-3-8b", "H100", 4, "--optim", "paged_adamw_8bit")))
        .isEqualTo((10 * 41_943_040L + 2 * 4 * 41_943_040L / 256) / 4);
  }

  private static long state(Plan plan) {
    return plan.memory().lines().stream()
        .filter(line -> line.kind() == Memory.Kind.TRAINABLE_STATE)
        .mapToLong(Memory.Line::bytes)
        .sum();
  }

  /** Published: 4 x 24 GB with offload, 2 x 40 GB without. */
  @Test
  void the_references_run_fits_where_it_was_run() {
    assertThat(reference("A10G", 4, "full_shard auto_wrap offload").fits()).isTrue();
    assertThat(reference("A100-40GB", 2, "full_shard auto_wrap").fits()).isTrue();
    assertThat(reference("L20", 4, "full_shard auto_wrap").fits()).isTrue();
    assertThat(reference("A10G", 2, "full_shard auto_wrap").fits()).isTrue();
  }

  /**
   * 70B in NF4 and two embeddings are 36.8 GiB: of 48 GiB on each of four all, of 24 on two some.
   */
  @Test
  void a_gpu_keeps_the_frozen_weights_that_there_is_room_for() {
    Plan all = reference("L20", 4, "full_shard auto_wrap");
    Plan some = reference("A10G", 2, "full_shard auto_wrap");
    Plan none = reference("A10G", 2, "full_shard auto_wrap offload");
    assertThat(some.memory().resident()).isBetween(GIB, some.frozen() / 2);
    assertThat(all.memory().resident()).isGreaterThan(some.memory().resident());
    assertThat(none.memory().resident()).isZero();
    for (Plan plan : List.of(all, some)) {
      assertThat(plan.memory().needed() + plan.memory().resident())
          .isLessThanOrEqualTo(plan.available());
      Timing streamed = plan.offloaded().orElseThrow();
      assertThat(streamed.linkSeconds()).isGreaterThan(plan.timing().linkSeconds());
      assertThat(streamed.stepSeconds()).isGreaterThanOrEqualTo(plan.timing().stepSeconds());
      assertThat(PlanText.lines(plan)).anyMatch(line -> line.contains("on the host (offload)"));
    }
    assertThat(some.offloaded().orElseThrow()).isEqualTo(none.timing());
    assertThat(none.offloaded()).isEmpty();
  }

  /**
   * 41,943,040 trained numbers: parameters in both directions and gradients, less the own half. Of
   * the embedding, 128256 x 4096 in 16 bits, only rows are read.
   */
  @Test
  void weights_that_every_gpu_keeps_are_neither_copied_nor_exchanged() {
    String[] rows = {"--max_seq_length", "2048", "--gradient_accumulation_steps", "2"};
    Plan kept = plan("llama-3-8b", "H100", 2, rows);
    long inUse = kept.frozen() - 2 * 128_256L * 4096;
    assertThat(kept.memory().resident()).isEqualTo(inUse);
    assertThat(kept.timing().exchangeBytes()).isEqualTo(3 * 4 * 41_943_040L / 2);
    assertThat(kept.timing().linkSeconds()).isEqualTo(4 * 41_943_040 / 45e9);
    Timing streamed = kept.offloaded().orElseThrow();
    assertThat(streamed.exchangeBytes()).isEqualTo(kept.timing().exchangeBytes() + 2 * inUse / 2);
    assertThat(streamed.linkSeconds())
        .isCloseTo((2.0 * inUse + 4 * 41_943_040) / 45e9, Offset.offset(1e-9));
  }

  @Test
  void what_a_gpu_does_beside_products_has_terms_of_its_own() {
    Timing.Kernels with = plan("llama-3-8b", "H100", 1).timing().kernels();
    Timing.Kernels without =
        plan("llama-3-8b", "H100", 1, "--lora_dropout", "0").timing().kernels();
    assertThat(with.dropout()).isPositive();
    assertThat(without.dropout()).isZero();
    assertThat(without.elementwise()).isEqualTo(with.elementwise()).isPositive();
    assertThat(without.busy()).isCloseTo(with.busy() - with.dropout(), Offset.offset(1e-9));
    // Of NF4 3.1 bytes for each of 6.98e9 weights, twice; of 16 bits 4.
    double bandwidth = 0.8 * 3350e9;
    assertThat(with.decode()).isCloseTo(2 * 3.1 * 6_979_321_856.0 / bandwidth, Offset.offset(1e-6));
    assertThat(plan("llama-3-8b", "H100", 1, "--method", "lora").timing().kernels().decode())
        .isCloseTo(2 * 4 * 6_979_321_856.0 / bandwidth, Offset.offset(1e-6));
    assertThat(plan("llama-3-8b", "H100", 1, "--method", "full").timing().kernels().decode())
        .isZero();
    // 32 layers of 45 and 177 kernels for each batch that goes through them.
    double batch = 32 * 222 * 5e-6;
    assertThat(with.launches() / batch)
        .isCloseTo(Math.rint(with.launches() / batch), Offset.offset(1e-9));
    assertThat(with.launches()).isGreaterThanOrEqualTo(batch);
  }

  /** A sliver of a model on a fast GPU: the host cannot start kernels as fast as they end. */
  @Test
  void small_models_wait_for_the_host_to_start_kernels() {
    Plan plan = plan("sample", "H100", 1);
    assertThat(plan.timing().bound()).isEqualTo(Timing.Bound.LAUNCHES);
    assertThat(plan.timing().stepSeconds()).isEqualTo(plan.timing().kernels().launches());
  }

  /** Published: LoRA over 16 bits takes 8 x 80 GB, all weights 16 x 80 GB. */
  @Test
  void other_methods_fit_as_the_documentation_says() {
    assertThat(plan("llama-3-70b", "A100-80GB", 8, "--method", "lora").fits()).isTrue();
    Plan one = plan("llama-3-70b", "A100-80GB", 1, "--method", "lora");
    assertThat(one.fits()).isTrue();
    assertThat(one.memory().resident()).isLessThan(one.frozen() / 2 + 8 * GIB);
    assertThat(plan("llama-3-70b", "A100-80GB", 4, "--method", "lora").fits()).isTrue();
    assertThat(plan("llama-3-70b", "A100-80GB", 16, "--method", "full").fits()).isFalse();
    assertThat(plan("llama-3-70b", "A100-80GB", 32, "--method", "full").fits()).isTrue();
  }

  @ParameterizedTest
  @CsvSource({"A10G, 1", "RTX4090, 2", "L4, 1", "A100-80GB, 2"})
  void advice_goes_on_until_it_fits_and_every_step_helps(String type, int ranks) {
    Plan plan =
        plan(
            "llama-3-70b",
            type,
            ranks,
            "--method",
            "full",
            "--max_seq_length",
            "8192",
            "--per_device_train_batch_size",
            "2");
    assertThat(plan.fits()).isFalse();
    assertThat(plan.advice()).isNotEmpty();
    assertThat(plan.advice().get(plan.advice().size() - 1).fits()).isTrue();
    long before = plan.memory().needed();
    for (Plan.Advice advice : plan.advice()) {
      assertThat(advice.needed()).isLessThan(before);
      before = advice.change().startsWith("instead") ? Long.MAX_VALUE : advice.needed();
    }
  }

  @Test
  void a_plan_that_fits_has_no_advice() {
    assertThat(plan("llama-3-8b", "H100", 8).advice()).isEmpty();
  }

  @ParameterizedTest
  @CsvSource({
    "llama-3-8b, H100, 1, true, gradient_checkpointing: false",
    "llama-3-70b, L20, 4, true, gradient_checkpointing: false",
    "llama-3-70b, A10G, 5, true, ''",
    "llama-3-8b, H100, 1, selective, gradient_checkpointing: false",
    "llama-3-8b, H100, 1, false, ''"
  })
  void memory_that_is_left_is_offered_for_speed(
      String shape, String type, int ranks, String checkpointing, String change) {
    Plan plan = plan(shape, type, ranks, "--gradient_checkpointing", checkpointing);
    Optional<Plan.Advice> faster = plan.faster();
    assertThat(faster.map(Plan.Advice::change).orElse("")).isEqualTo(change);
    if (faster.isPresent()) {
      String kept = faster.get().change().split(": ")[1];
      Plan then = plan(shape, type, ranks, "--gradient_checkpointing", kept);
      assertThat(then.memory().needed())
          .isEqualTo(faster.get().needed())
          .isLessThan(plan.available());
      assertThat(then.timing().stepSeconds()).isLessThan(plan.timing().stepSeconds());
      assertThat(PlanText.lines(plan)).anyMatch(line -> line.contains("memory for more speed"));
      assertThat(PlanJson.of(plan)).contains("\"faster\"");
    }
  }

  @Test
  void more_gpus_never_need_more_memory_each_nor_more_time() {
    long memory = Long.MAX_VALUE;
    double hours = Double.MAX_VALUE;
    for (int ranks = 1; ranks <= 1024; ranks *= 2) {
      Plan plan = plan("llama-3-70b", "H100", ranks, REFERENCE);
      assertThat(plan.memory().lines()).allMatch(line -> line.bytes() > 0);
      if (ranks > 1) {
        assertThat(plan.memory().needed()).isLessThanOrEqualTo(memory + 2 * GIB);
      }
      assertThat(plan.timing().hours().orElseThrow()).isLessThanOrEqualTo(hours * 1.01);
      memory = plan.memory().needed();
      hours = plan.timing().hours().orElseThrow();
    }
  }

  @ParameterizedTest
  @CsvSource({"0", "-1", "1025"})
  void gpus_are_1_to_1024(int ranks) {
    assertThatThrownBy(() -> plan("llama-3-8b", "L4", ranks))
        .isInstanceOf(UserError.class)
        .hasMessage("gpus is %d; allowed: 1 to 1024", ranks);
  }

  @Test
  void hours_and_price_follow_the_steps() {
    Plan plan = plan("llama-3-8b", "A10G", 4, "--max_steps", "100");
    double hours = 100 * plan.timing().stepSeconds() / 3600;
    assertThat(plan.timing().hours()).hasValue(hours);
    assertThat(plan.usd().orElseThrow())
        .isCloseTo(hours * 4 * 1.42, Percentage.withPercentage(1e-9));
  }

  @Test
  void without_data_and_max_steps_hours_are_not_made_up() {
    Planner planner =
        new Planner(config(), ModelShape.named("llama-3-8b").config(), OptionalLong.empty());
    Plan plan = planner.plan(TABLE.device("L4"), 1, List.of());
    assertThat(plan.timing().hours()).isEmpty();
    assertThat(PlanText.lines(plan)).anyMatch(line -> line.contains("set max_steps"));
  }

  @Test
  void the_text_and_the_json_say_the_same() throws IOException {
    Plan plan =
        plan("llama-3-70b", "A10G", 2, "--method", "full", "--gradient_accumulation_steps", "2");
    JsonNode json = new ObjectMapper().readTree(PlanJson.of(plan));
    assertThat(json.path("needed_bytes").asLong()).isEqualTo(plan.memory().needed());
    assertThat(json.path("memory").size()).isEqualTo(8);
    assertThat(json.path("fits").asBoolean()).isFalse();
    assertThat(json.path("advice").size()).isEqualTo(plan.advice().size());
    assertThat(PlanText.lines(plan))
        .anyMatch(line -> line.contains("DOES NOT FIT"))
        .anyMatch(line -> line.contains("cheapest first"));
  }

  @Test
  void a_gpu_is_found_however_it_is_written_and_unknown_ones_are_listed() {
    assertThat(TABLE.device("a100 80gb").memoryBytes()).isEqualTo(80 * GIB);
    assertThat(TABLE.device("rtx-4090").name()).isEqualTo("RTX4090");
    assertThatThrownBy(() -> TABLE.device("H20"))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("gpu_type is H20; known are L20, A10G, L4, RTX4090, A100-40GB")
        .hasMessageContaining("cpu (this machine, measured)");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "'A: {memory_gib: 1, tflops: 3}' | x.yaml: A has the unknown field tflops",
        "'A: {memory_gib: 1}' | x.yaml: bf16_tflops of A has to be a number above 0, not missing",
        "'A: {memory_gib: -1}' | memory_gib of A has to be a number above 0, not -1",
        "'' | x.yaml: there is no GPU in it",
        "'A: [' | x.yaml is not YAML"
      })
  void a_broken_table_is_told_by_field(String yaml, String message) {
    assertThatThrownBy(() -> DeviceTable.parse(yaml, "x.yaml"))
        .isInstanceOf(UserError.class)
        .hasMessageContaining(message);
  }

  private static Plan reference(String type, int ranks, String fsdp) {
    List<String> words = new ArrayList<>(List.of(REFERENCE));
    words.addAll(List.of("--fsdp", fsdp));
    return plan("llama-3-70b", type, ranks, words.toArray(String[]::new));
  }

  private static Plan plan(String shape, String type, int ranks, String... words) {
    Planner planner =
        new Planner(config(words), ModelShape.named(shape).config(), OptionalLong.of(3_000_000));
    return planner.plan(TABLE.device(type), ranks, TABLE.all());
  }

  private static TrainConfig config(String... words) {
    List<String> all =
        new ArrayList<>(List.of("--model_id", "m", "--dataset_path", "d", "--output_dir", "o"));
    all.addAll(List.of(words));
    return new ConfigLoader(new Configuration()).train(Optional.empty(), all).config();
  }
}
