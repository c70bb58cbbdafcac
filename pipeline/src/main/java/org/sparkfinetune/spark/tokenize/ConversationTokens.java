package org.sparkfinetune.spark.tokenize;

import java.time.LocalDate;
import java.util.List;
import java.util.Optional;
import org.sparkfinetune.data.conversation.Conversation;
import org.sparkfinetune.data.conversation.TokenCounter;
import org.sparkfinetune.data.template.ChatTemplate;
import org.sparkfinetune.data.tokenize.ChatTemplates;
import org.sparkfinetune.data.tokenize.ConversationTokenizer;
import org.sparkfinetune.data.tokenize.LossExtent.LossTarget;
import org.sparkfinetune.data.tokenize.TokenizerFiles;
import org.sparkfinetune.store.Store;

/** Counts as {@link TokenizeJob} tokenises, for whoever prepares. */
public final class ConversationTokens implements TokenCounter {
  private static final long serialVersionUID = 1L;

  private final TokenizerOnExecutor tokenizer;

  private ConversationTokens(TokenizerOnExecutor tokenizer) {
    this.tokenizer = tokenizer;
  }

  /**
   * Reads template and tokenizer at once, so that a mistake shows before the work begins.
   *
   * @param chatTemplate as training's key; empty: the tokenizer's own, else the reference's
   * @throws org.sparkfinetune.errors.UserError if either cannot be used
   */
  public static ConversationTokens of(
      TokenizerFiles files, Optional<String> chatTemplate, Store store) {
    ChatTemplate template =
        ChatTemplates.choose(chatTemplate, files, store).at(LocalDate.now().atStartOfDay());
    return new ConversationTokens(
        new TokenizerOnExecutor(files, template, LossTarget.assistantOnly(false)));
  }

  @Override
  public int[] count(List<Conversation> conversations) {
    ConversationTokenizer made = tokenizer.get();
    return conversations.stream().mapToInt(c -> made.tokenize(c).length()).toArray();
  }
}
