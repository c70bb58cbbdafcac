package org.sparkfinetune.sample;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.Test;
import org.sparkfinetune.data.conversation.Conversation;
import org.sparkfinetune.data.conversation.Conversation.Message;
import org.sparkfinetune.data.conversation.Conversation.Role;
import org.sparkfinetune.data.template.BuiltInTemplates;
import org.sparkfinetune.data.tokenize.LlamaTokenizer;
import org.sparkfinetune.inference.generate.DecodingModel;
import org.sparkfinetune.inference.generate.DecodingModel.BaseForm;
import org.sparkfinetune.inference.generate.GenerationSettings;
import org.sparkfinetune.inference.generate.Generator;
import org.sparkfinetune.inference.generate.StopTokens;
import org.sparkfinetune.inference.generate.TextGenerator;
import org.sparkfinetune.inference.generate.TextGenerator.Completion;
import org.sparkfinetune.inference.generate.TextGenerator.TextListener;
import org.sparkfinetune.inference.generate.TextGenerator.TextPrompt;
import org.sparkfinetune.sample.SampleRows.Row;
import org.sparkfinetune.store.Store;

/** The trained weights that are shipped, on questions that they were not trained on. */
final class ShippedModelTest {
  private static final Store STORE = new Store(new Configuration(false));
  private static final org.apache.hadoop.fs.Path MODEL =
      new org.apache.hadoop.fs.Path(Path.of("model").toAbsolutePath().toUri());

  @Test
  void half_of_the_questions_get_the_expected_query_word_for_word() {
    List<Row> rows = SampleMaker.pretraining().test().subList(0, 50);

    List<String> answers = answers(rows);

    int equal = 0;
    for (int i = 0; i < rows.size(); i++) {
      equal += answers.get(i).strip().equals(rows.get(i).answer()) ? 1 : 0;
    }
    assertThat(equal).as("equal ones of %d", rows.size()).isGreaterThanOrEqualTo(25);
  }

  private static List<String> answers(List<Row> rows) {
    List<TextPrompt> prompts = new ArrayList<>();
    for (Row row : rows) {
      prompts.add(
          new TextPrompt.Chat(
              prompts.size(),
              new Conversation(
                  List.of(
                      new Message(Role.SYSTEM, "SCHEMA:\n" + row.context()),
                      new Message(Role.USER, row.question())))));
    }
    try (LlamaTokenizer tokenizer = LlamaTokenizer.load(MODEL, STORE);
        DecodingModel model =
            DecodingModel.load(MODEL, Optional.empty(), BaseForm.AS_STORED, STORE, 1);
        TextGenerator generator =
            new TextGenerator(
                new Generator(model, 1, 8),
                tokenizer,
                BuiltInTemplates.REFERENCE.template(),
                GenerationSettings.greedy(64, StopTokens.of(tokenizer, MODEL, STORE)),
                List.of())) {
      return generator.complete(prompts, TextListener.NONE).stream().map(Completion::text).toList();
    }
  }
}
