package org.sparkfinetune.inference.generate;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.sparkfinetune.inference.generate.DecodingModel.BaseForm;
import org.sparkfinetune.inference.generate.Generator.Generated;
import org.sparkfinetune.inference.generate.Generator.Prompt;
import org.sparkfinetune.inference.generate.Generator.TokenListener;
import org.sparkfinetune.store.Store;

/** Tiny models of every family continue texts as transformers does, see {@code families.py}. */
class FamiliesGenerateParityTest {
  private static final Path FAMILIES =
      Path.of("src/test/resources/golden/variants/families").toAbsolutePath();

  static List<String> models() throws IOException {
    try (Stream<Path> files = Files.list(FAMILIES)) {
      return files
          .map(file -> file.getFileName().toString())
          .filter(name -> name.endsWith("-greedy.json"))
          .map(name -> name.replace("-greedy.json", ""))
          .sorted()
          .toList();
    }
  }

  @ParameterizedTest
  @MethodSource("models")
  void continues_greedily_as_transformers_does(String name) throws IOException {
    JsonNode golden = new ObjectMapper().readTree(FAMILIES.resolve(name + "-greedy.json").toFile());
    List<Prompt> prompts = new ArrayList<>();
    List<int[]> expected = new ArrayList<>();
    for (JsonNode answer : golden.path("answers")) {
      prompts.add(new Prompt(prompts.size(), ints(answer.path("prompt"))));
      expected.add(ints(answer.path("greedy")));
    }
    try (DecodingModel model =
            DecodingModel.load(
                new org.apache.hadoop.fs.Path(FAMILIES.resolve(name).toUri()),
                Optional.empty(),
                BaseForm.AS_STORED,
                new Store(new Configuration(false)),
                2);
        Generator generator = new Generator(model, 2, 2)) {
      List<Generated> made =
          generator.run(
              prompts,
              GenerationSettings.greedy(24, Set.of()),
              (prompt, token) -> TokenListener.Then.CONTINUE);
      assertThat(made).hasSameSizeAs(expected).isNotEmpty();
      for (int i = 0; i < made.size(); i++) {
        assertThat(made.get(i).ids()).as(name).isEqualTo(expected.get(i));
      }
    }
  }

  private static int[] ints(JsonNode array) {
    return new ObjectMapper().convertValue(array, int[].class);
  }
}
