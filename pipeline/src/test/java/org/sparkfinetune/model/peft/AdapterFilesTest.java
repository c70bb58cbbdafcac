package org.sparkfinetune.model.peft;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.model.family.DecoderConfig;
import org.sparkfinetune.model.family.ModelFolder;
import org.sparkfinetune.model.peft.LoraModules.Names;
import org.sparkfinetune.model.peft.LoraTargets.AdapterNames;
import org.sparkfinetune.model.safetensors.DType;
import org.sparkfinetune.model.safetensors.TensorSpec;
import org.sparkfinetune.store.Store;

final class AdapterFilesTest {
  private static final Store STORE = new Store(new Configuration(false));
  private static final String Q0 = "model.layers.0.self_attn.q_proj";
  private static final AdapterConfig CONFIG =
      new AdapterConfig(
          Optional.of("meta/llama"),
          Optional.empty(),
          LoraModules.of(
              new LoraModules.Names(List.of("q_proj")), List.of("embed_tokens", "lm_head")),
          LoraRanks.of(2, 4, true),
          0.05,
          AdapterConfig.Beginning.KAIMING,
          AdapterConfig.Variant.PLAIN,
          List.of());

  @TempDir java.nio.file.Path folder;

  private static java.nio.file.Path golden() throws URISyntaxException {
    return java.nio.file.Path.of(
        AdapterFilesTest.class.getResource("/golden/trajectory-lora-float32.adapter").toURI());
  }

  private Path path() {
    return new Path(folder.toUri());
  }

  private void write(AdapterConfig config, TensorSpec... tensors) {
    AdapterFiles.write(
        path(),
        STORE,
        config,
        List.of(tensors),
        (tensor, sink) -> sink.accept(ByteBuffer.allocate((int) tensor.byteCount())));
  }

  @Test
  void the_reference_adapter_is_written_again_byte_for_byte() throws Exception {
    try (AdapterFiles files = AdapterFiles.open(new Path(golden().toUri()), STORE)) {
      assertThat(files.config().ranks().r()).isEqualTo(8);
      assertThat(files.config().ranks().scaling(Q0)).isEqualTo(2);
      assertThat(files.modules()).hasSize(21).contains(Q0);
      assertThat(files.savedParameters()).isEmpty();
      assertThat(files.floats(AdapterNames.loraA(Q0))).hasSize(8 * 128);

      List<TensorSpec> tensors = new ArrayList<>();
      for (String module : files.modules()) {
        for (String name : List.of(AdapterNames.loraB(module), AdapterNames.loraA(module))) {
          tensors.add(new TensorSpec(name, DType.F32, files.info(name).shape()));
        }
      }
      AdapterFiles.write(
          path(),
          STORE,
          files.config(),
          tensors,
          (tensor, sink) -> {
            ByteBuffer bytes = ByteBuffer.allocate((int) tensor.byteCount());
            files.read(tensor.name(), 0, bytes);
            sink.accept(bytes.flip());
          });
    }
    for (String file : List.of("adapter_config.json", "adapter_model.safetensors")) {
      assertThat(folder.resolve(file)).hasSameBinaryContentAs(golden().resolve(file));
    }
  }

  /** PEFT's all-linear reaches into an image encoder; its names there were others before. */
  @Test
  void an_adapter_of_a_model_for_images_is_that_of_its_decoder() throws Exception {
    DecoderConfig model =
        ModelFolder.config(
            new Path(
                java.nio.file.Path.of("src/test/resources/golden/variants/families/gemma3-images")
                    .toAbsolutePath()
                    .toUri()),
            STORE);
    LoraModules modules = LoraModules.of(new Names(List.of("q_proj")), List.of("embed_tokens"));
    String tower = "model.vision_tower.encoder.layers.0.self_attn.q_proj";
    List<TensorSpec> tensors = new ArrayList<>();
    tensors.add(
        new TensorSpec(
            AdapterNames.saved("model.language_model.embed_tokens.weight"), DType.F32, 96, 32));
    for (String module :
        List.of(
            tower,
            "model.language_model.layers.0.self_attn.q_proj",
            "language_model.model.layers.1.self_attn.q_proj",
            "language_model.model.layers.2.self_attn.q_proj")) {
      tensors.add(new TensorSpec(AdapterNames.loraA(module), DType.F32, 2, 32));
      tensors.add(new TensorSpec(AdapterNames.loraB(module), DType.F32, 24, 2));
    }
    AdapterConfig config =
        new AdapterConfig(
            CONFIG.baseModel(),
            CONFIG.revision(),
            modules,
            LoraRanks.of(2, 4, false),
            0,
            AdapterConfig.Beginning.KAIMING,
            AdapterConfig.Variant.PLAIN,
            List.of());
    write(config, tensors.toArray(TensorSpec[]::new));
    try (AdapterFiles files = AdapterFiles.open(path(), model, STORE)) {
      assertThat(files.modules())
          .containsExactly(
              "model.language_model.layers.0.self_attn.q_proj",
              "model.language_model.layers.1.self_attn.q_proj",
              "model.language_model.layers.2.self_attn.q_proj");
      assertThat(files.savedParameters()).containsExactly("model.embed_tokens.weight");
    }
    AdapterFiles.write(
        path(),
        STORE,
        config,
        tensors,
        (tensor, sink) ->
            sink.accept(ByteBuffer.allocate((int) tensor.byteCount()).put(1, (byte) 60).clear()));
    assertThatThrownBy(() -> AdapterFiles.open(path(), model, STORE))
        .isInstanceOf(UserError.class)
        .hasMessageContaining(tower)
        .hasMessageContaining("or for images?");

    LoraModules within = modules.within(model.names());
    assertThat(within.has("model.language_model.layers.0.self_attn.q_proj")).isTrue();
    assertThat(within.has(tower)).isFalse();
    assertThat(within.within(model.names())).isEqualTo(within);
    assertThat(
            new LoraModules(
                    modules.targets(),
                    Optional.of(new Names(List.of("v_proj", "1.self_attn.q_proj"))),
                    List.of(),
                    List.of(),
                    List.of())
                .within(model.names())
                .excluded()
                .orElseThrow()
                .expression())
        .isEqualTo("(.*\\.)?(v_proj|1\\.self_attn\\.q_proj)|(?!model\\.language_model\\.).*");
  }

  @Test
  void modules_to_save_and_rank_stabilised_scaling_survive_writing_and_reading() {
    write(
        CONFIG,
        new TensorSpec(AdapterNames.loraA(Q0), DType.F32, 2, 8),
        new TensorSpec(AdapterNames.loraB(Q0), DType.F32, 8, 2),
        new TensorSpec(AdapterNames.saved("model.embed_tokens.weight"), DType.BF16, 10, 8),
        new TensorSpec(AdapterNames.saved("lm_head.weight"), DType.BF16, 10, 8));
    try (AdapterFiles files = AdapterFiles.open(path(), STORE)) {
      assertThat(files.config()).isEqualTo(CONFIG);
      assertThat(files.config().ranks().scaling(Q0)).isEqualTo(4 / Math.sqrt(2));
      assertThat(files.modules()).containsExactly(Q0);
      assertThat(files.savedParameters())
          .containsExactly("lm_head.weight", "model.embed_tokens.weight");
      assertThat(files.floats(AdapterNames.saved("lm_head.weight"))).hasSize(80).containsOnly(0);
    }
  }

  @Test
  void an_old_configuration_with_fewer_keys_and_a_pattern_is_read() {
    AdapterConfig config =
        AdapterConfigJson.parse(
            "x",
            """
            {"auto_mapping": null, "base_model_name_or_path": "llama", "bias": "none", "fan_in_fan_out": false,
             "inference_mode": true, "init_lora_weights": true, "layers_pattern": null, "layers_to_transform": null,
             "lora_alpha": 8.5, "lora_dropout": 0.1, "modules_to_save": null, "peft_type": "LORA", "r": 16,
             "revision": null, "target_modules": ".*(q|v)_proj", "task_type": "CAUSAL_LM", "unheard_of": false}
            """
                .getBytes(StandardCharsets.UTF_8));
    assertThat(config.ranks().alpha()).isEqualTo(8.5);
    assertThat(config.modules().targets())
        .isEqualTo(LoraModules.Expression.of("x", ".*(q|v)_proj"));
    assertThat(config.modulesToSave()).isEmpty();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      textBlock =
          """
          use_dora            | "yes"
          lora_bias           | 1
          bias                | "all"
          rank_pattern        | {"q_proj":0}
          rank_pattern        | {"q_proj":"4"}
          alpha_pattern       | {"q_proj":-4}
          alpha_pattern       | [4]
          fan_in_fan_out      | true
          peft_type           | "LOHA"
          task_type           | "SEQ_CLS"
          init_lora_weights   | "pissa"
          layer_replication   | [[0,4],[2,5]]
          layers_to_transform | ["1"]
          exclude_modules     | [3]
          target_parameters   | ["experts"]
          trainable_token_indices | [1,1]
          trainable_token_indices | ["1"]
          trainable_token_indices | {"lm_head":[1]}
          use_qalora          | true
          some_new_feature    | {"x":1}
          target_modules      | 3
          target_modules      | []
          modules_to_save     | "lm_head"
          r                   | 0
          r                   | 8.5
          lora_alpha          | "8"
          lora_alpha          | 0
          lora_dropout        | 1.5
          use_rslora          | "yes"
          base_model_name_or_path | 7
          """)
  void what_we_would_compute_wrongly_is_refused_with_the_key(String key, String value)
      throws Exception {
    ObjectMapper mapper = new ObjectMapper();
    ObjectNode json =
        (ObjectNode) mapper.readTree(golden().resolve("adapter_config.json").toFile());
    json.set(key, mapper.readTree(value));
    Files.write(folder.resolve("adapter_config.json"), mapper.writeValueAsBytes(json));
    assertThatThrownBy(() -> AdapterFiles.readConfig(path(), STORE))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("adapter_config.json: " + key + " is");
  }

  @Test
  void tensors_that_we_would_drop_are_refused_by_name() {
    for (TensorSpec foreign :
        List.of(
            new TensorSpec(
                "base_model.model.model.embed_tokens.lora_embedding_A", DType.F32, 2, 10),
            new TensorSpec(AdapterNames.saved("model.norm.weight"), DType.F32, 8),
            new TensorSpec("model.lm_head.weight", DType.F32, 8, 8))) {
      write(CONFIG, foreign);
      assertThatThrownBy(() -> AdapterFiles.open(path(), STORE))
          .isInstanceOf(UserError.class)
          .hasMessageContaining(foreign.name())
          .hasMessageContaining("modules_to_save");
    }
  }

  @Test
  void embeddings_of_single_tokens_have_a_row_for_each() {
    AdapterConfig config =
        new AdapterConfig(
            CONFIG.baseModel(),
            CONFIG.revision(),
            LoraModules.of(new LoraModules.Names(List.of("q_proj")), List.of()),
            CONFIG.ranks(),
            0,
            CONFIG.beginning(),
            CONFIG.variant(),
            List.of(5, 3));
    String name = AdapterNames.saved(LoraTargets.TOKEN_ROWS);
    write(
        config,
        new TensorSpec(AdapterNames.loraA(Q0), DType.F32, 2, 8),
        new TensorSpec(AdapterNames.loraB(Q0), DType.F32, 8, 2),
        new TensorSpec(name, DType.F32, 2, 8));
    try (AdapterFiles files = AdapterFiles.open(path(), STORE)) {
      assertThat(files.config()).isEqualTo(config);
      assertThat(files.hasTokenRows()).isTrue();
      assertThat(files.savedParameters()).isEmpty();
    }
    write(config, new TensorSpec(name, DType.F32, 3, 8));
    assertThatThrownBy(() -> AdapterFiles.open(path(), STORE))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("a row for each of trainable_token_indices, 2");
  }

  @Test
  void a_missing_half_and_another_rank_are_refused() {
    write(CONFIG, new TensorSpec(AdapterNames.loraA(Q0), DType.F32, 2, 8));
    assertThatThrownBy(() -> AdapterFiles.open(path(), STORE))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("q_proj.lora_B.weight");
    write(
        CONFIG,
        new TensorSpec(AdapterNames.loraA(Q0), DType.F32, 3, 8),
        new TensorSpec(AdapterNames.loraB(Q0), DType.F32, 8, 3));
    assertThatThrownBy(() -> AdapterFiles.open(path(), STORE))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("lora_A.weight is F32 [3, 8], supported is (r, in)");
  }

  @Test
  void a_folder_without_a_configuration_is_no_adapter() {
    assertThatThrownBy(() -> AdapterFiles.open(path(), STORE))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("has no adapter_config.json");
  }

  @Test
  void mutated_configurations_are_read_or_refused() throws IOException, URISyntaxException {
    byte[] valid = Files.readAllBytes(golden().resolve("adapter_config.json"));
    Random random = new Random(7);
    int refused = 0;
    int inputs = Integer.getInteger("fuzz.inputs", 2_000);
    for (int i = 0; i < inputs; i++) {
      byte[] mutated = valid.clone();
      for (int n = random.nextInt(4); n >= 0; n--) {
        mutated[random.nextInt(mutated.length)] = (byte) random.nextInt(256);
      }
      try {
        AdapterConfigJson.parse("x", mutated);
      } catch (UserError e) {
        refused++;
      }
    }
    assertThat(refused).isBetween(1, inputs);
  }
}
