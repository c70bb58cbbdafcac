package org.sparkfinetune.inference.export;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sparkfinetune.config.ModelChoice.MergeBase;
import org.sparkfinetune.data.conversation.Conversation;
import org.sparkfinetune.data.conversation.Conversation.Message;
import org.sparkfinetune.data.conversation.Conversation.Role;
import org.sparkfinetune.data.template.BuiltInTemplates;
import org.sparkfinetune.data.tokenize.LlamaTokenizer;
import org.sparkfinetune.inference.export.Merge.MergeRequest;
import org.sparkfinetune.inference.generate.DecodingModel;
import org.sparkfinetune.inference.generate.DecodingModel.BaseForm;
import org.sparkfinetune.inference.generate.GenerationSettings;
import org.sparkfinetune.inference.generate.Generator;
import org.sparkfinetune.inference.generate.StopTokens;
import org.sparkfinetune.inference.generate.TextGenerator;
import org.sparkfinetune.inference.generate.TextGenerator.Completion;
import org.sparkfinetune.inference.generate.TextGenerator.TextListener;
import org.sparkfinetune.inference.generate.TextGenerator.TextPrompt;
import org.sparkfinetune.model.safetensors.DType;
import org.sparkfinetune.store.Store;

/**
 * The shipped model merged with a LoRA that {@code train} made, against transformers with PEFT's
 * {@code merge_and_unload}: text in, text out. {@code .ci/after-training --golden} asked them.
 */
final class MergedTextsParityTest {
  private static final Store STORE = new Store(new Configuration(false));
  private static final Path GOLDEN =
      Path.of("src/test/resources/golden/after-training").toAbsolutePath();
  private static final Path SAMPLE = Path.of("../jobs/sample/model").toAbsolutePath().normalize();

  @TempDir Path folder;

  private static org.apache.hadoop.fs.Path path(Path path) {
    return new org.apache.hadoop.fs.Path(path.toUri());
  }

  private static TextPrompt prompt(JsonNode text) {
    List<Message> messages = new ArrayList<>();
    for (JsonNode message : text.path("messages")) {
      messages.add(
          new Message(Role.named(message.path("role").asText()), message.path("content").asText()));
    }
    return new TextPrompt.Chat(text.path("id").asLong(), new Conversation(messages));
  }

  @Test
  void twenty_prompts_get_the_texts_and_losses_of_transformers() throws IOException {
    JsonNode golden = new ObjectMapper().readTree(GOLDEN.resolve("texts.json").toFile());
    List<JsonNode> texts = new ArrayList<>();
    golden.path("texts").forEach(texts::add);
    org.apache.hadoop.fs.Path merged = path(folder.resolve("merged"));
    new Merge(STORE)
        .run(
            new MergeRequest(
                path(SAMPLE),
                Optional.of(path(GOLDEN.resolve("adapter"))),
                merged,
                MergeBase.SIXTEEN_BIT,
                Optional.of(DType.F32),
                1L << 30));
    try (LlamaTokenizer tokenizer = LlamaTokenizer.load(merged, STORE);
        DecodingModel model =
            DecodingModel.load(merged, Optional.empty(), BaseForm.AS_STORED, STORE, 1);
        Generator generator = new Generator(model, 1, 8);
        TextGenerator answering =
            new TextGenerator(
                generator,
                tokenizer,
                BuiltInTemplates.REFERENCE.template(),
                GenerationSettings.greedy(
                    golden.path("new_tokens").asInt(), StopTokens.of(tokenizer, merged, STORE)),
                List.of())) {
      List<Completion> made =
          answering.complete(
              texts.stream().map(MergedTextsParityTest::prompt).toList(), TextListener.NONE);

      assertThat(made.stream().map(Completion::text).toList())
          .hasSize(20)
          .isEqualTo(texts.stream().map(text -> text.path("text").asText()).toList());
      for (JsonNode text : texts) {
        double[] expected = new ObjectMapper().convertValue(text.path("losses"), double[].class);
        double[] losses =
            generator.losses(new ObjectMapper().convertValue(text.path("ids"), int[].class));
        assertThat(java.util.Arrays.copyOfRange(losses, 1, losses.length))
            .containsExactly(expected, within(1e-4));
      }
    }
  }
}
