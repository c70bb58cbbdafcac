package org.sparkfinetune.inference.export;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.Test;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.model.family.DecoderConfig;
import org.sparkfinetune.model.family.DecoderConfigReader;
import org.sparkfinetune.model.family.DecoderFamily;
import org.sparkfinetune.model.family.LayerAttention;
import org.sparkfinetune.model.family.ModelFolder;
import org.sparkfinetune.store.Store;

/**
 * The table of the page on models says what the golden models show: each is trained, decoded and
 * merged in {@code FamiliesParityTest} and {@code FamiliesGenerateParityTest}, and decoded as on
 * GPUs in {@code OperatorDecoderParityTest}. With {@code -Dsupport.matrix=write} it is written.
 */
class SupportMatrixTest {
  private static final Path PAGE = Path.of("../jobs/docs/models.md");
  private static final Path VARIANTS = Path.of("src/test/resources/golden/variants");
  private static final String BEGIN = "| `model_type` |";

  @Test
  void the_page_on_models_says_what_holds() throws IOException {
    String page = Files.readString(PAGE);
    String table = table();
    int from = page.indexOf(BEGIN);
    int to = page.indexOf("\n\n", from);
    assertThat(from).isPositive();
    String written = page.substring(0, from) + table + page.substring(to);
    if ("write".equals(System.getProperty("support.matrix"))) {
      Files.writeString(PAGE, written);
    }
    assertThat(page).as("-Dsupport.matrix=write writes it anew").isEqualTo(written);
  }

  private static String table() throws IOException {
    TreeMap<String, List<DecoderConfig>> families = new TreeMap<>();
    for (DecoderConfig config : models()) {
      families.computeIfAbsent(config.modelType(), type -> new ArrayList<>()).add(config);
    }
    assertThat(families.keySet())
        .as("a golden model of every family")
        .isEqualTo(new TreeSet<>(DecoderConfigReader.families()));
    StringBuilder table =
        new StringBuilder(
            BEGIN
                + " beside Llama | train: qlora, lora, full | merge | generate: CPU, GPU | GGUF | plan |\n");
    table.append("| --- | --- | --- | --- | --- | --- | --- |");
    families.forEach(
        (type, configs) ->
            table.append(
                "\n| `%s` | %s | %s | yes | yes, yes | %s | yes |"
                    .formatted(type, beside(configs), methods(configs), gguf(configs))));
    return table.toString();
  }

  private static String methods(List<DecoderConfig> configs) {
    return configs.stream().anyMatch(config -> config.experts().exist()) ? "qlora, lora" : "yes";
  }

  /** The golden models: those of families.py, and the Llamas of variants.py. */
  private static List<DecoderConfig> models() throws IOException {
    Store store = new Store(new Configuration(false));
    List<DecoderConfig> configs = new ArrayList<>();
    for (Path folder : List.of(VARIANTS, VARIANTS.resolve("families"))) {
      try (Stream<Path> all = Files.list(folder)) {
        all.filter(one -> Files.exists(one.resolve("config.json")))
            .sorted()
            .map(one -> new org.apache.hadoop.fs.Path(one.toAbsolutePath().toUri()))
            .forEach(one -> configs.add(ModelFolder.config(one, store)));
      }
    }
    return configs;
  }

  /** What any of a family's models has. */
  private static String beside(List<DecoderConfig> configs) {
    TreeSet<String> all = new TreeSet<>();
    for (DecoderConfig config : configs) {
      DecoderFamily family = config.family();
      DecoderFamily llama = DecoderFamily.LLAMA;
      if (family.qkNorm() != llama.qkNorm()) {
        all.add("norm of q and k " + words(family.qkNorm()));
      }
      if (family.norms() != llama.norms()) {
        all.add("norms " + words(family.norms()));
      }
      if (family.normWeight() == DecoderFamily.NormWeight.ONE_PLUS) {
        all.add("norms times 1 + weight");
      }
      if (family.activation() != llama.activation()) {
        all.add("GELU");
      }
      if (family.linears() != llama.linears()) {
        all.add("fused linears");
      }
      if (!family.scales().equals(llama.scales())) {
        all.add("scales");
      }
      if (!family.softCaps().equals(llama.softCaps())) {
        all.add("soft caps");
      }
      if (config.experts().exist()) {
        all.add("experts");
      }
      if (config.biases().qkv() && !config.biases().output()) {
        all.add("biases of q, k, v");
      }
      for (LayerAttention layer : config.layers()) {
        all.add(layer.window() > 0 ? "windows" : "");
        all.add(
            layer.rope().stream().anyMatch(rope -> rope.growth().beta() > 0)
                ? "queries that grow with their position"
                : "");
        all.add(layer.rope().isEmpty() ? "layers without positions" : "");
        all.add(
            layer.rope().map(rope -> rope.dimensions() < config.headDim()).orElse(false)
                ? "partial RoPE"
                : "");
      }
    }
    all.remove("");
    return all.isEmpty() ? "nothing" : String.join(", ", all);
  }

  private static String words(Enum<?> value) {
    return value.name().toLowerCase(Locale.ROOT).replace('_', ' ');
  }

  private static String gguf(List<DecoderConfig> configs) {
    TreeSet<String> answers = new TreeSet<>();
    for (DecoderConfig config : configs) {
      try {
        GgufArchitecture found = GgufArchitecture.of(config);
        boolean ignored =
            GgufArchitecture.window(config) > 0
                && found.windows() == GgufArchitecture.Windows.IGNORED;
        answers.add(ignored ? "yes, but windows are ignored" : "yes");
      } catch (UserError refused) {
        String why = Objects.requireNonNull(refused.getMessage());
        answers.add("not where " + why.replaceAll(".*as GGUF: |\\. Merge it.*", "") + " differs");
      }
    }
    if (answers.contains("yes, but windows are ignored")) {
      answers.remove("yes");
    }
    return answers.stream()
        .map(
            answer -> answer.replaceAll("^not where llama.cpp has no (.*) differs$", "not with $1"))
        .map(answer -> answer.replaceAll("^not where llama.cpp takes (.*) differs$", "only if $1"))
        .map(answer -> answer.replace(" to be ", " is "))
        .map(answer -> answer.replaceAll(", which layer \\d+ differs from", ""))
        .collect(Collectors.joining("; "));
  }
}
