package org.sparkfinetune.inference.generate;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfEnvironmentVariable;
import org.sparkfinetune.data.tokenize.LlamaTokenizer;
import org.sparkfinetune.inference.generate.DecodingModel.BaseForm;
import org.sparkfinetune.inference.generate.Generator.Prompt;
import org.sparkfinetune.inference.generate.Generator.TokenListener;
import org.sparkfinetune.store.Store;

/** Against transformers with PEFT's adapters: 20 prompts of 1 to 39 tokens, greedy. */
final class AdapterParityTest {
  private static final Store STORE = new Store(new Configuration(false));

  private static org.apache.hadoop.fs.Path path(Path path) {
    return new org.apache.hadoop.fs.Path(path.toUri());
  }

  private static void assertSameTexts(BaseForm form, String adapter, double tolerance) {
    try (DecodingModel model = GoldenTexts.withAdapter(form, adapter);
        Generator generator = new Generator(model, 1, 8)) {
      GoldenTexts.assertAnswersAsPeft(generator, adapter, tolerance);
    }
  }

  @Test
  void an_adapter_over_16_bits_answers_as_in_peft() {
    assertSameTexts(BaseForm.AS_STORED, "trajectory-lora-float32", 1e-5);
  }

  @Test
  void an_adapter_over_nf4_answers_as_in_peft() {
    assertSameTexts(BaseForm.NF4_FLOAT32, "trajectory-qlora-float32", 1e-4);
  }

  /** The model is not ours to ship: STORIES260K names its folder. */
  @Test
  @EnabledIfEnvironmentVariable(named = "STORIES260K", matches = ".+")
  void stories260k_tells_the_story_of_lily() {
    Path folder = Path.of(System.getenv("STORIES260K"));
    try (DecodingModel model =
            DecodingModel.load(path(folder), Optional.empty(), BaseForm.AS_STORED, STORE, 1);
        LlamaTokenizer tokenizer = LlamaTokenizer.load(path(folder), STORE);
        Generator generator = new Generator(model, 1, 1)) {
      int[] made =
          generator
              .run(
                  List.of(new Prompt(0, new int[] {1})),
                  GenerationSettings.greedy(100, Set.of()),
                  (prompt, token) -> TokenListener.Then.CONTINUE)
              .get(0)
              .ids();

      assertThat(tokenizer.decode(made).strip())
          .startsWith(
              "Once upon a time, there was a little girl named Lily. She loved to play outside in"
                  + " the park.");
    }
  }
}
