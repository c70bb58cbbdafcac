package org.sparkfinetune.launch;

import java.io.Serializable;
import java.time.LocalDateTime;
import org.jspecify.annotations.Nullable;
import org.sparkfinetune.conversation.ChatTemplate;
import org.sparkfinetune.tokenize.ConversationTokenizer;
import org.sparkfinetune.tokenize.LlamaTokenizer;
import org.sparkfinetune.tokenize.LossTarget;
import org.sparkfinetune.tokenize.TokenizerFiles;

/**
 * Broadcast to the executors, where it makes one tokenizer for all tasks of a JVM; loading one
 * takes a second.
 */
final class TokenizerOnExecutor implements Serializable {
  private static final long serialVersionUID = 1L;

  private final TokenizerFiles files;
  private final String templateName;
  private final String templateSource;
  private final LocalDateTime now;
  private final LossTarget target;
  private transient @Nullable ConversationTokenizer tokenizer;

  TokenizerOnExecutor(TokenizerFiles files, ChatTemplate template, LossTarget target) {
    this.files = files;
    this.templateName = template.name();
    this.templateSource = template.source();
    this.now = template.now();
    this.target = target;
  }

  /** Lives as long as the broadcast; the natives' memory goes with the executor. */
  synchronized ConversationTokenizer get() {
    ConversationTokenizer made = tokenizer;
    if (made == null) {
      ChatTemplate template = ChatTemplate.of(templateName, templateSource, now);
      made = new ConversationTokenizer(LlamaTokenizer.of(files), template, target);
      tokenizer = made;
    }
    return made;
  }
}
