package org.sparkfinetune.engine.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.sparkfinetune.config.Parallelism.ShardingStrategy;
import org.sparkfinetune.config.TrainConfig.Regularization;
import org.sparkfinetune.data.tokenize.PackedRows.PackedRow;
import org.sparkfinetune.engine.exchange.ExchangeSettings;
import org.sparkfinetune.engine.exchange.InProcessGroup;
import org.sparkfinetune.engine.exchange.ProcessGroup;
import org.sparkfinetune.engine.fsdp.AdamMoments;
import org.sparkfinetune.engine.fsdp.WeightSource;
import org.sparkfinetune.engine.fsdp.WeightSource.PlainType;
import org.sparkfinetune.engine.tensor.LayerInputs.LayerKeep;
import org.sparkfinetune.engine.tensor.Torch;
import org.sparkfinetune.engine.train.ModelRecipe.Precision;
import org.sparkfinetune.engine.train.ModelRecipe.Sharding;
import org.sparkfinetune.engine.train.StepSchedule.StepRow;
import org.sparkfinetune.model.safetensors.Checkpoint;
import org.sparkfinetune.model.safetensors.DType;
import org.sparkfinetune.store.Store;
import org.sparkfinetune.testing.TestLora;

/** Tiny models of every family beside transformers and PEFT, see {@code families.py}. */
class FamiliesParityTest {
  /** Training every family takes minutes: without this property, some families alone. */
  private static final boolean ALL = Boolean.getBoolean("families.all");

  private static final Path FAMILIES = Variant.VARIANTS.resolve("families");
  private static final Store STORE = new Store(new Configuration(false));

  @TempDir Path scratch;

  static List<String> models() throws IOException {
    try (Stream<Path> files = Files.list(FAMILIES)) {
      return files
          .map(file -> file.getFileName().toString())
          .filter(name -> name.endsWith("-gradients.safetensors"))
          .map(name -> name.replace("-gradients.safetensors", ""))
          .sorted()
          .toList();
    }
  }

  static List<String> trained() throws IOException {
    return ALL
        ? models()
        : List.of("mistral3-images", "gemma3", "olmo3", "phi3-longrope", "qwen3moe-step");
  }

  @ParameterizedTest
  @MethodSource("models")
  void logits_loss_and_every_gradient_are_transformers(String model) throws Exception {
    JsonNode golden = GoldenRun.json("variants/families/" + model + "-greedy.json");
    try (Torch torch = Torch.start(1)) {
      for (LayerKeep keep : LayerKeep.values()) {
        Map<String, float[]> gradients = new TreeMap<>();
        double loss = step(torch, model, base -> recipe(base, keep), batches(100), gradients);
        double expected = golden.path("loss").asDouble();
        compare(
            model + " logits",
            new ObjectMapper().convertValue(golden.path("logits"), float[].class),
            Objects.requireNonNull(gradients.remove("logits")));
        assertThat(loss).as(model).isCloseTo(expected, within(1e-5 * expected));
        try (Checkpoint file =
            GoldenRun.open("variants/families/" + model + "-gradients.safetensors")) {
          assertThat(gradients.keySet()).containsExactlyInAnyOrderElementsOf(file.names());
          for (String name : file.names()) {
            compare(model + " " + name, Variant.floats(file, name), gradients.get(name));
          }
        }
      }
    }
  }

  private static void compare(String what, float[] seventh, float[] ours) {
    double largest = 0;
    double apart = 0;
    for (int i = 0; i < seventh.length; i++) {
      largest = Math.max(largest, Math.abs(seventh[i]));
      apart = Math.max(apart, Math.abs(seventh[i] - ours[7 * i]));
    }
    // A gradient that is nothing but rounding (of a key's bias, which moves all scores alike).
    assertThat(apart).as(what).isLessThanOrEqualTo(Math.max(1e-5 * largest, 1e-8));
  }

  private double step(
      Torch torch,
      String name,
      Function<BaseModel, ModelRecipe> recipe,
      List<TokenBatch> batches,
      Map<String, float[]> gradients) {
    ProcessGroup exchange = InProcessGroup.group(1, ExchangeSettings.defaults()).get(0);
    Path start = FAMILIES.resolve(name + "-lora.start/adapter_model.safetensors");
    try (BaseModel base = BaseModel.open(FAMILIES.resolve(name).toUri().toString(), STORE);
        Checkpoint adapter =
            Checkpoint.openFile(new org.apache.hadoop.fs.Path(start.toUri()), STORE);
        exchange;
        RankModel model =
            RankModel.load(
                recipe.apply(base),
                torch,
                exchange,
                base.weights(),
                trained(base, adapter),
                Files.createTempDirectory(scratch, "rank"),
                Optional.empty())) {
      model.weights().trainable().forEach(group -> group.publish(0));
      int groups = ActivationBudget.of(model).groups(batches).size();
      assertThat(groups > 1).isEqualTo(model.recipe().activationMemory().isPresent());
      TrainingStep.Outcome outcome = GoldenRun.trainingStep(model).run(1, batches);
      gradients.put("logits", ModelNumbers.logits(model, batches.get(0)));
      ModelNumbers.gradients(model, gradients);
      return outcome.loss();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** All weights; of a mixture of experts LoRA on attention, embedding and head. */
  private static ModelGroups.Method method(BaseModel base) {
    return base.config().experts().exist()
        ? new ModelGroups.Method.Lora(
            TestLora.targets(base.config(), 2, 2, List.of("all-linear")),
            List.of("embed_tokens", "lm_head"),
            ModelGroups.Base.PLAIN)
        : new ModelGroups.Method.Full();
  }

  private static ModelRecipe recipe(BaseModel base, LayerKeep keep) {
    return new ModelRecipe(
        base.config(),
        method(base),
        0,
        0,
        7,
        Precision.FLOAT32,
        PlainType.FLOAT32,
        TokenBatch.Attention.WITHIN_SAMPLES,
        keep,
        ModelRecipe.Inputs.IN_MEMORY,
        OptionalLong.empty(),
        new Sharding(ShardingStrategy.FULL_SHARD, Sharding.Prefetch.NEXT_LAYER),
        0,
        Regularization.NONE,
        AdamMoments.Type.FLOAT32,
        0);
  }

  private static WeightSource trained(BaseModel base, Checkpoint adapter) {
    CheckpointWeights lora = new CheckpointWeights(adapter);
    return (name, first, out, count) -> {
      if (name.contains(".lora_")) {
        lora.read("base_model.model." + name, first, out, count);
      } else {
        base.weights().read(name, first, out, count);
      }
    };
  }

  private static List<TokenBatch> batches(int tokens) {
    org.apache.hadoop.fs.Path file =
        new org.apache.hadoop.fs.Path(Variant.VARIANTS.resolve("rows.safetensors").toUri());
    List<PackedRow> rows = RowsInMemory.read(file, STORE).rows();
    List<StepRow> own =
        java.util.stream.IntStream.range(0, rows.size())
            .mapToObj(i -> new StepRow(rows.get(i), i))
            .toList();
    return TokenBatch.of(own, tokens, TokenBatch.Attention.WITHIN_SAMPLES);
  }

  @ParameterizedTest
  @MethodSource("trained")
  void lora_on_two_ranks_is_pefts(String model) throws Exception {
    Variant variant = run(model, "lora");
    variant.compareSteps(2, 1e-4, 1e-3);
    variant.compareWeights(1e-3);
  }

  @ParameterizedTest
  @MethodSource("trained")
  void qlora_is_pefts(String model) throws Exception {
    run(model, "qlora").compareSteps(1, 1e-4, 1e-3);
  }

  @ParameterizedTest
  @MethodSource("trained")
  void qlora_in_bfloat16_is_pefts(String model) throws Exception {
    run(model, "qlora-bfloat16").with("bf16", true).compareLosses(1, step -> 5e-3 * Math.log(96));
  }

  /** The base weights that adapters are on are called otherwise than in the adapter's file. */
  @Test
  void parts_of_a_base_that_reads_images_train_like_any_other_adapter() throws Exception {
    double plain = firstLoss("use_dora", false);
    assertThat(firstLoss("init_lora_weights", "olora")).isCloseTo(plain, within(1e-5));
    assertThat(firstLoss("use_dora", true)).isCloseTo(plain, within(1e-5));
  }

  /** Before the first step every new adapter leaves the model as it is. */
  private double firstLoss(String key, Object value) throws Exception {
    return run("gemma3-images", "lora")
        .without("adapter")
        .with("lora_r", 2)
        .with("max_steps", 1)
        .with(key, value)
        .run(2)
        .get(0)
        .loss();
  }

  @Test
  void full_training_leaves_what_reads_images_as_it_was() throws Exception {
    run("gemma3-images", "lora").without("adapter").with("method", "full").run(2);
    Path saved = scratch.resolve("families/gemma3-images-lora/model/model.safetensors");
    try (Checkpoint ours =
            Checkpoint.openFile(new org.apache.hadoop.fs.Path(saved.toUri()), STORE);
        Checkpoint base =
            Checkpoint.open(
                new org.apache.hadoop.fs.Path(FAMILIES.resolve("gemma3-images").toUri()), STORE)) {
      assertThat(ours.names()).containsExactlyInAnyOrderElementsOf(base.names());
      for (String name : base.names()) {
        boolean decoders = name.startsWith("language_model.");
        assertThat(ours.info(name).dtype()).isEqualTo(decoders ? DType.F32 : DType.BF16);
        assertThat(Arrays.equals(Variant.floats(ours, name), Variant.floats(base, name)))
            .as(name)
            .isEqualTo(!decoders);
      }
    }
  }

  static List<String> mixtures() throws IOException {
    return ALL
        ? models().stream().filter(name -> name.contains("moe")).toList()
        : List.of("qwen3moe-step");
  }

  /** Experts of a group lie on either rank, and some on both. */
  @ParameterizedTest
  @MethodSource("mixtures")
  void qlora_of_experts_on_two_ranks_is_pefts(String model) throws Exception {
    run(model, "qlora").compareSteps(2, 1e-4, 1e-3);
  }

  /** On two ranks, of which each sees a part of the tokens. */
  @ParameterizedTest
  @MethodSource("mixtures")
  void the_loss_that_balances_experts_is_transformers(String model) throws Exception {
    balanced(model).compareSteps(2, 1e-4, 1e-3);
  }

  @ParameterizedTest
  @MethodSource("mixtures")
  void the_balance_is_that_of_the_whole_step_where_it_runs_in_groups(String model) {
    Map<String, float[]> whole = new TreeMap<>();
    Map<String, float[]> inGroups = new TreeMap<>();
    try (Torch torch = Torch.start(1)) {
      double loss =
          step(torch, model, base -> balanced(base, OptionalLong.empty()), batches(40), whole);
      OptionalLong little = OptionalLong.of(40_000);
      assertThat(step(torch, model, base -> balanced(base, little), batches(40), inGroups))
          .isCloseTo(loss, within(1e-6 * loss));
    }
    assertThat(whole).hasSizeGreaterThan(10).containsOnlyKeys(inGroups.keySet());
    whole.forEach((name, gradient) -> compare(name, seventh(gradient), inGroups.get(name)));
  }

  private static float[] seventh(float[] all) {
    float[] some = new float[(all.length + 6) / 7];
    for (int i = 0; i < some.length; i++) {
      some[i] = all[7 * i];
    }
    return some;
  }

  private static ModelRecipe balanced(BaseModel base, OptionalLong activationMemory) {
    ModelRecipe plain = recipe(base, LayerKeep.NOTHING);
    return new ModelRecipe(
        plain.config(),
        new ModelGroups.Method.Lora(
            TestLora.targets(base.config(), 2, 2, List.of("all-linear")),
            List.of(),
            ModelGroups.Base.PLAIN),
        0,
        0,
        1,
        plain.precision(),
        plain.plainType(),
        plain.attention(),
        plain.keep(),
        plain.inputs(),
        activationMemory,
        plain.sharding(),
        0.05,
        Regularization.NONE,
        AdamMoments.Type.FLOAT32,
        0);
  }

  private Variant balanced(String model) throws Exception {
    return run(model, "aux").with("method", "lora").with("router_aux_loss_coef", 0.05);
  }

  private Variant run(String model, String method) throws Exception {
    Path start = FAMILIES.resolve(model + "-lora.start");
    return new Variant("families/" + model + "-" + method, scratch)
        .model("families/" + model)
        .with("dataset_path", Variant.VARIANTS.resolve("rows.safetensors").toUri())
        .with("method", method.replace("-bfloat16", ""))
        .adapter(start);
  }
}
