package org.sparkfinetune.engine.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.file.Path;
import java.util.List;
import java.util.TreeSet;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.sparkfinetune.engine.train.Trainer.TrainingEvents;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.model.peft.AdapterFiles;
import org.sparkfinetune.model.peft.LoraDelta;
import org.sparkfinetune.store.Store;

/** PEFT's options beside PEFT: from its adapter to ours, whose configuration is PEFT's again. */
class OptionsParityTest {
  private static final Path OPTIONS = Variant.VARIANTS.resolve("options");

  /** A millionth of the loss: what float32's order of additions leaves. */
  private static final double LOSS = 1e-5;

  @TempDir Path scratch;

  private Variant variant(String name) throws Exception {
    return new Variant("options/" + name, scratch).model("biased").with("method", "lora");
  }

  @ParameterizedTest
  @CsvSource({
    "bias, biased, lora, 1",
    "bias, biased, lora, 2",
    "bias-alone, tied, lora, 2",
    "dora, biased, lora, 1",
    "dora, biased, lora, 2",
    "dora-nf4, tied, qlora, 1",
    "dora-nf4, tied, qlora, 2",
    "tokens, biased, lora, 1",
    "tokens, biased, lora, 2",
    "tokens-tied, tied, lora, 1",
    "tokens-tied, tied, lora, 2",
    "tokens-nf4, tied, qlora, 2"
  })
  void what_adapters_have_beside_a_and_b(String name, String model, String method, int ranks)
      throws Exception {
    Path start = OPTIONS.resolve(name + ".start");
    Variant variant = variant(name).model(model).with("method", method).adapter(start);
    variant.compareSteps(ranks, LOSS, 1e-3);
    variant.compareWeights(1e-3);
    compareConfigurations(start, variant);
  }

  @ParameterizedTest
  @CsvSource({
    "patterns, 1",
    "patterns, 2",
    "rslora-patterns, 1",
    "layers, 2",
    "layers-of-any, 1",
    "expression, 1"
  })
  void ranks_alphas_layers_and_expressions(String name, int ranks) throws Exception {
    Path start = OPTIONS.resolve(name + ".start");
    Variant variant = variant(name).adapter(start);
    variant.compareSteps(ranks, LOSS, 1e-3);
    variant.compareWeights(1e-3);
    compareConfigurations(start, variant);
  }

  private static void compareConfigurations(Path start, Variant variant) throws Exception {
    JsonNode theirs = json(start.resolve("adapter_config.json"));
    JsonNode ours = json(variant.output().resolve("adapter/adapter_config.json"));
    for (String key : new TreeSet<>(names(theirs))) {
      if (!key.equals("base_model_name_or_path") && !key.equals("peft_version")) {
        assertThat(sorted(ours.path(key))).as(key).isEqualTo(sorted(theirs.path(key)));
      }
    }
    assertThat(names(ours)).isEqualTo(names(theirs));
  }

  /** Its first magnitudes are the lengths of W's rows, so that it computes what LoRA does. */
  @ParameterizedTest
  @CsvSource({"biased, lora", "tied, lora", "biased, qlora", "biased-nf4, qlora"})
  void a_new_dora_begins_as_the_base_model_on_any_number_of_ranks(String model, String method)
      throws Exception {
    List<TrainingEvents.Step> lora = begun(model, method, false).run(1);
    List<TrainingEvents.Step> dora = begun(model, method, true).run(1);
    List<TrainingEvents.Step> ranks = begun(model, method, true).run(2);
    assertThat(dora.get(0).loss()).isCloseTo(lora.get(0).loss(), within(2e-6));
    assertThat(dora.get(9).loss()).isNotCloseTo(lora.get(9).loss(), within(1e-4));
    for (int step = 0; step < 10; step++) {
      assertThat(ranks.get(step).loss()).isCloseTo(dora.get(step).loss(), within(2e-6));
    }
  }

  private Variant begun(String model, String method, boolean dora) throws Exception {
    return variant("dora").model(model).with("method", method).with("use_dora", dora);
  }

  @ParameterizedTest
  @CsvSource({
    "96, '', the model has no token 96; it has 0 to 95",
    "95, embed_tokens, none beside modules_to_save: embed_tokens",
    "95, lm_head, so modules_to_save cannot name lm_head"
  })
  void tokens_that_cannot_be_trained_alone_are_refused(String ids, String saved, String message)
      throws Exception {
    Variant variant = variant("tokens-tied").model("tied").with("trainable_token_indices", ids);
    if (!saved.isEmpty()) {
      variant.with("modules_to_save", saved);
    }
    assertThatThrownBy(() -> variant.run(1))
        .isInstanceOf(UserError.class)
        .hasMessageContaining(message);
  }

  /** They begin as the base model's. */
  @Test
  void new_token_embeddings_begin_as_the_base_model_on_any_number_of_ranks() throws Exception {
    List<TrainingEvents.Step> plain = variant("tokens-tied").model("tied").run(1);
    for (int ranks : List.of(1, 2)) {
      Variant variant = variant("tokens-tied").model("tied");
      List<TrainingEvents.Step> own = variant.with("trainable_token_indices", "2,95").run(ranks);
      assertThat(own.get(0).loss()).isCloseTo(plain.get(0).loss(), within(2e-6));
      assertThat(own.get(9).loss()).isNotCloseTo(plain.get(9).loss(), within(1e-4));
    }
  }

  /**
   * Without an adapter to begin with. Signs are free, so products are compared: of all that the
   * adapter says beside the untouched base.
   */
  @ParameterizedTest
  @CsvSource({"pissa, 1", "pissa, 2", "pissa-niter, 1", "pissa-niter, 2", "olora, 1", "olora, 2"})
  void parts_of_the_base_are_written_over_the_untouched_base(String name, int ranks)
      throws Exception {
    Variant variant = variant(name).with("lora_alpha", 4);
    switch (name) {
      case "pissa" -> variant.with("lora_r", 3).with("init_lora_weights", "pissa");
      case "olora" ->
          variant
              .with("lora_r", 2)
              .with("init_lora_weights", "olora")
              .with("rank_pattern", "{v_proj: 4}")
              .with("alpha_pattern", "{o_proj: 1}");
      default ->
          variant
              .model("tied")
              .with("lora_r", 2)
              .with("use_rslora", true)
              .with("lora_target_modules", "q_proj,down_proj")
              .with("init_lora_weights", "pissa_niter_400");
    }
    variant.with("lora_dropout", 0).compareSteps(ranks, LOSS, 1e-3);
    Path theirs = OPTIONS.resolve(name + ".adapter");
    Path ours = variant.output().resolve("adapter");
    compareProducts(theirs, ours);
    for (String key : List.of("r", "lora_alpha", "rank_pattern", "alpha_pattern", "use_rslora")) {
      assertThat(sorted(json(ours.resolve("adapter_config.json")).path(key)))
          .as(key)
          .isEqualTo(sorted(json(theirs.resolve("adapter_config.json")).path(key)));
    }
    assertThat(json(ours.resolve("adapter_config.json")).path("init_lora_weights").asBoolean())
        .isTrue();
  }

  @Test
  void a_part_of_more_than_the_whole_is_refused() throws Exception {
    Variant variant = variant("olora").with("init_lora_weights", "olora").with("lora_r", 49);
    assertThatThrownBy(() -> variant.run(1))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("has a weight of rank 48 at most")
        .hasMessageContaining("choose a smaller rank");
  }

  private static void compareProducts(Path theirs, Path ours) {
    Store store = new Store(new Configuration());
    try (AdapterFiles expected = AdapterFiles.open(hadoop(theirs), store);
        AdapterFiles found = AdapterFiles.open(hadoop(ours), store)) {
      assertThat(found.modules()).isEqualTo(expected.modules()).isNotEmpty();
      for (String module : expected.modules()) {
        float[] product = product(LoraDelta.of(expected, module));
        float[] mine = product(LoraDelta.of(found, module));
        double length = 0;
        double apart = 0;
        for (int i = 0; i < product.length; i++) {
          length = Math.hypot(length, product[i]);
          apart = Math.hypot(apart, product[i] - mine[i]);
        }
        assertThat(length).isGreaterThan(1e-3);
        // Of the whole: AdamW moves single elements by the sign of gradients that are all but zero.
        assertThat(apart).as(module).isLessThan(5e-3 * length);
      }
    }
  }

  private static float[] product(LoraDelta delta) {
    float[] product = new float[delta.a().length / delta.r() * (delta.b().length / delta.r())];
    delta.addedTo((first, out, count) -> {}).read(0, product, product.length);
    return product;
  }

  private static org.apache.hadoop.fs.Path hadoop(Path path) {
    return new org.apache.hadoop.fs.Path(path.toUri());
  }

  @ParameterizedTest
  @CsvSource({"1", "2"})
  void loras_b_learns_faster_with_a_ratio(int ranks) throws Exception {
    Variant variant = variant("loraplus").adapter(Variant.VARIANTS.resolve("biased-lora.start"));
    variant.compareSteps(ranks, LOSS, 1e-3);
    variant.compareWeights(1e-3);
  }

  @Test
  void what_peft_saved_of_a_resized_vocabulary_is_not_trained_on() throws Exception {
    Variant variant = variant("loraplus").adapter(OPTIONS.resolve("biased-embeddings.start"));
    assertThatThrownBy(() -> variant.run(1))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("merge it into the model first");
  }

  private static TreeSet<String> names(JsonNode json) {
    TreeSet<String> names = new TreeSet<>();
    json.fieldNames().forEachRemaining(names::add);
    return names;
  }

  /** PEFT's lists of names are sets, and one number may be a list of one. */
  private static String sorted(JsonNode value) {
    if (value.isArray()) {
      TreeSet<String> items = new TreeSet<>();
      value.forEach(item -> items.add(item.toString()));
      return items.toString();
    }
    return value.isValueNode() && !value.isNull() && !value.isBoolean() && value.isInt()
        ? "[" + value + "]"
        : value.isTextual() ? "[" + value + "]" : value.toString().replace(".0", "");
  }

  private static JsonNode json(Path file) throws Exception {
    return new ObjectMapper().readTree(file.toFile());
  }
}
