package org.sparkfinetune.inference.generate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.stream.IntStream;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.Test;
import org.sparkfinetune.inference.generate.DecodingModel.BaseForm;
import org.sparkfinetune.inference.generate.GenerationSettings.Sampled;
import org.sparkfinetune.inference.generate.Generator.Generated;
import org.sparkfinetune.inference.generate.Generator.Prompt;
import org.sparkfinetune.inference.generate.Generator.TokenListener;
import org.sparkfinetune.store.Store;

/** Against transformers' generate and its logits processors. */
final class GenerateParityTest {
  private static final Store STORE = new Store(new Configuration(false));
  private static final Path GOLDEN = Path.of("src/test/resources/golden").toAbsolutePath();

  private static org.apache.hadoop.fs.Path path(String name) {
    return new org.apache.hadoop.fs.Path(GOLDEN.resolve(name).toUri());
  }

  private static JsonNode golden() throws IOException {
    return new ObjectMapper().readTree(GOLDEN.resolve("generate.json").toFile());
  }

  private static int[] ints(JsonNode array) {
    return new ObjectMapper().convertValue(array, int[].class);
  }

  private static DecodingModel model(BaseForm form, Optional<String> adapter) {
    return DecodingModel.load(path("model"), adapter.map(GenerateParityTest::path), form, STORE, 2);
  }

  private static List<Generated> run(DecodingModel model, int threads, int batch, int[]... ids) {
    try (Generator generator = new Generator(model, threads, batch)) {
      List<Prompt> prompts = new ArrayList<>();
      for (int[] prompt : ids) {
        prompts.add(new Prompt(prompts.size(), prompt));
      }
      return generator.run(
          prompts,
          GenerationSettings.greedy(40, Set.of()),
          (prompt, token) -> TokenListener.Then.CONTINUE);
    }
  }

  @Test
  void continues_greedily_as_transformers_does() throws IOException {
    int[] prompt = ints(golden().path("prompt"));
    int[] expected = ints(golden().path("greedy"));
    try (DecodingModel model = model(BaseForm.AS_STORED, Optional.empty())) {
      int[] made = run(model, 1, 1, prompt).get(0).ids();

      assertThat(made).isEqualTo(Arrays.copyOfRange(expected, 12, expected.length));
    }
  }

  @Test
  void neither_the_batch_nor_the_threads_change_a_token() throws IOException {
    int[] prompt = ints(golden().path("prompt"));
    int[][] prompts = {prompt, {5}, {7, 8, 9}, Arrays.copyOf(prompt, 7), {300, 301, 302, 303, 304}};
    for (BaseForm form : BaseForm.values()) {
      try (DecodingModel model = model(form, Optional.of("trajectory-lora-float32.adapter"))) {
        List<Generated> together = run(model, 2, 3, prompts);
        for (int i = 0; i < prompts.length; i++) {
          assertThat(together.get(i).ids()).isEqualTo(run(model, 1, 1, prompts[i]).get(0).ids());
        }
      }
    }
  }

  @Test
  void prompts_that_begin_alike_read_their_beginning_once() throws IOException {
    int[] system = new Random(1).ints(40, 3, 300).toArray();
    int[][] prompts = new int[7][];
    for (int i = 0; i < prompts.length; i++) {
      int[] own = new Random(i).ints(5 + i, 3, 300).toArray();
      prompts[i] = IntStream.concat(IntStream.of(system), IntStream.of(own)).toArray();
    }
    prompts[6] = prompts[2].clone();
    try (DecodingModel model = model(BaseForm.NF4, Optional.empty());
        Generator generator = new Generator(model, 2, 4)) {
      List<Prompt> asked =
          IntStream.range(0, prompts.length).mapToObj(i -> new Prompt(i, prompts[i])).toList();
      List<Generated> together =
          generator.run(
              asked,
              GenerationSettings.greedy(3, Set.of()),
              (prompt, token) -> TokenListener.Then.CONTINUE);
      // Each token that is made is read, but for the last of an answer.
      int own = 5 + 6 + 7 + 8 + 9 + 10 + 1 + prompts.length * 2;
      assertThat(generator.tokensRead()).isBetween(40L + own, 2 * 40L + own + 7);

      for (int i = 0; i < prompts.length; i++) {
        int[] alone = run(model, 1, 1, prompts[i]).get(0).ids();
        assertThat(together.get(i).ids()).isEqualTo(Arrays.copyOf(alone, 3));
      }
    }
  }

  @Test
  void texts_with_their_prompts_change_neither_losses_nor_answers() {
    AnsweredTexts texts = new AnsweredTexts();
    for (BaseForm form : BaseForm.values()) {
      try (DecodingModel model = model(form, Optional.of("trajectory-lora-float32.adapter"));
          Generator together = new Generator(model, 2, 4);
          Generator alone = new Generator(model, 1, 8)) {
        texts.assertEqual(together, alone, 0);
        texts.assertReadOnce(together);
      }
    }
  }

  @Test
  void top_p_keeps_what_transformers_keeps() throws IOException {
    assertKept(new Sampled(0.6, 0, 0.9, 0), "temperature06_top_p09");
  }

  @Test
  void top_k_keeps_what_transformers_keeps() throws IOException {
    assertKept(new Sampled(0.7, 50, 1, 0), "temperature07_top_k50");
  }

  private static void assertKept(Sampled sampled, String name) throws IOException {
    float[] logits = new ObjectMapper().convertValue(golden().path("logits"), float[].class);
    double[] expected = new ObjectMapper().convertValue(golden().path(name), double[].class);

    Sampler.Kept kept = Sampler.probabilities(logits, 0, logits.length, sampled);

    double[] ours = new double[logits.length];
    for (int i = 0; i < kept.tokens().length; i++) {
      ours[kept.tokens()[i]] = kept.probabilities()[i];
    }
    assertThat(ours).containsExactly(expected, within(1e-6));
  }
}
