package org.sparkfinetune.inference.generate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.sparkfinetune.inference.generate.DecodingModel.BaseForm;
import org.sparkfinetune.inference.generate.Generator.Generated;
import org.sparkfinetune.inference.generate.Generator.Prompt;
import org.sparkfinetune.inference.generate.Generator.TokenListener;
import org.sparkfinetune.model.safetensors.Checkpoint;
import org.sparkfinetune.store.Store;

/** The golden files' models, and what transformers and PEFT say: every way to decode has to. */
final class GoldenTexts {
  static final Path GOLDEN = Path.of("src/test/resources/golden").toAbsolutePath();
  private static final Path VARIANTS = GOLDEN.resolve("variants");
  private static final Path FAMILIES = VARIANTS.resolve("families");
  private static final Store STORE = new Store(new Configuration(false));

  private GoldenTexts() {}

  private static org.apache.hadoop.fs.Path path(Path path) {
    return new org.apache.hadoop.fs.Path(path.toUri());
  }

  static DecodingModel model(Path model, Optional<Path> adapter, BaseForm form) {
    return DecodingModel.load(path(model), adapter.map(GoldenTexts::path), form, STORE, 2);
  }

  private static JsonNode json(Path file) {
    try {
      return new ObjectMapper().readTree(file.toFile());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static int[] ints(JsonNode array) {
    return new ObjectMapper().convertValue(array, int[].class);
  }

  static List<Prompt> prompts(List<int[]> ids) {
    return IntStream.range(0, ids.size()).mapToObj(i -> new Prompt(i, ids.get(i))).toList();
  }

  static List<int[]> run(Generator generator, List<Prompt> prompts, int tokens) {
    return generator
        .run(
            prompts,
            GenerationSettings.greedy(tokens, Set.of()),
            (prompt, token) -> TokenListener.Then.CONTINUE)
        .stream()
        .map(Generated::ids)
        .toList();
  }

  // ---- transformers' families -------------------------------------------------------------------

  static List<String> families() throws IOException {
    try (Stream<Path> files = Files.list(FAMILIES)) {
      return files
          .map(file -> file.getFileName().toString())
          .filter(name -> name.endsWith("-greedy.json"))
          .map(name -> name.replace("-greedy.json", ""))
          .sorted()
          .toList();
    }
  }

  static DecodingModel family(String name) {
    return model(FAMILIES.resolve(name), Optional.empty(), BaseForm.AS_STORED);
  }

  static void assertContinuesAsTransformers(Generator generator, String family) {
    List<int[]> prompts = new ArrayList<>();
    List<int[]> expected = new ArrayList<>();
    for (JsonNode answer : json(FAMILIES.resolve(family + "-greedy.json")).path("answers")) {
      prompts.add(ints(answer.path("prompt")));
      expected.add(ints(answer.path("greedy")));
    }
    assertThat(run(generator, prompts(prompts), 24))
        .as(family)
        .isNotEmpty()
        .containsExactlyElementsOf(expected);
  }

  // ---- PEFT's adapters --------------------------------------------------------------------------

  static DecodingModel withAdapter(BaseForm form, String adapter) {
    return model(GOLDEN.resolve("model"), Optional.of(GOLDEN.resolve(adapter + ".adapter")), form);
  }

  /** 20 prompts of 1 to 39 tokens, and the loss of the last with its answer. */
  static void assertAnswersAsPeft(Generator generator, String adapter, double tolerance) {
    JsonNode golden = json(GOLDEN.resolve("generate-adapters.json"));
    List<Prompt> prompts = new ArrayList<>();
    golden.path("prompts").forEach(ids -> prompts.add(new Prompt(0, ints(ids))));
    List<int[]> made = run(generator, prompts, 24);
    for (int i = 0; i < prompts.size(); i++) {
      assertThat(made.get(i)).as("prompt %d", i).isEqualTo(ints(golden.path(adapter).path(i)));
    }
    int[] last =
        IntStream.concat(IntStream.of(prompts.get(19).ids()), IntStream.of(made.get(19))).toArray();
    double loss = Arrays.stream(generator.losses(last)).sum();
    assertThat(loss / (last.length - 1))
        .isCloseTo(golden.path(adapter + "-loss").asDouble(), within(tolerance));
  }

  static DecodingModel withOptions(String name, String of, BaseForm form) {
    return model(
        VARIANTS.resolve(of), Optional.of(VARIANTS.resolve("options/" + name + ".start")), form);
  }

  static void assertAsLikelyAsInPeft(Generator generator, String options) {
    JsonNode golden = json(VARIANTS.resolve("options/losses.json")).path(options);
    assertThat(golden).isNotEmpty();
    double[] losses = generator.losses(firstOfRow(golden.size() + 1));
    for (int i = 0; i < golden.size(); i++) {
      double theirs = golden.get(i).asDouble();
      assertThat(losses[i + 1]).as("token %d", i + 1).isCloseTo(theirs, within(1e-5 * theirs));
    }
  }

  static int[] firstOfRow(int count) {
    try (Checkpoint rows = Checkpoint.openFile(path(VARIANTS.resolve("rows.safetensors")), STORE)) {
      ByteBuffer bytes = ByteBuffer.allocate(count * Long.BYTES).order(ByteOrder.LITTLE_ENDIAN);
      rows.read("input_ids", 0, bytes);
      int[] ids = new int[count];
      Arrays.setAll(ids, i -> (int) bytes.getLong(i * Long.BYTES));
      return ids;
    }
  }
}
