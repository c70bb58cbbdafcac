package org.sparkfinetune.spark.train;

import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import org.sparkfinetune.config.TrainingData;
import org.sparkfinetune.data.conversation.Conversation;
import org.sparkfinetune.data.template.ChatTemplate;
import org.sparkfinetune.data.template.ChatTemplate.SpecialTokens;
import org.sparkfinetune.data.tokenize.Packer.PackingReport;
import org.sparkfinetune.model.family.DecoderConfig;

/** Why a data set can be trained on, but perhaps trains something else than is meant. */
public record DataWarning(String what, String advice) {

  /** How many conversations are looked at, of a data set of any size. */
  public static final int CONVERSATIONS = 200;

  /** Whether a sample has more positions than the model is made for. */
  public static Optional<DataWarning> tooLong(
      PackingReport packing, TrainingData data, DecoderConfig model) {
    OptionalLong positions = model.positions();
    int longest = data.crossSampleAttention() ? packing.longestRow() : packing.longestPiece();
    if (positions.isEmpty() || longest <= positions.getAsLong()) {
      return Optional.empty();
    }
    String what =
        data.crossSampleAttention()
            ? "with cross_sample_attention positions run over whole rows, and a row has %s tokens"
            : "a sample has %s tokens";
    return Optional.of(
        new DataWarning(
            (what + ", but the model is made for %s positions (max_position_embeddings)")
                .formatted(longest, positions.getAsLong()),
            "It may learn little from what lies beyond. Set max_seq_length: %s, or take a model with"
                    .formatted(positions.getAsLong())
                + " a longer context."));
  }

  /** Whether the template leaves out or changes answers that are to be trained. */
  public static Optional<DataWarning> cutAnswers(
      List<Conversation> conversations, ChatTemplate template, SpecialTokens tokens) {
    long cut = conversations.stream().filter(c -> template.cutsAnswers(c, tokens)).count();
    return cut == 0
        ? Optional.empty()
        : Optional.of(
            new DataWarning(
                "the chat template '%s' leaves out or changes answers in %s of the first %s conversations"
                    .formatted(template.name(), cut, conversations.size()),
                "What it leaves out (reasoning of earlier turns, mostly) is not trained. check shows"
                    + " what is; another chat_template may keep it."));
  }
}
