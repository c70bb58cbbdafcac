package org.sparkfinetune.spark.tokenize;

import java.io.Serializable;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.data.template.ChatTemplate;
import org.sparkfinetune.data.tokenize.ConversationTokenizer;
import org.sparkfinetune.data.tokenize.LlamaTokenizer;
import org.sparkfinetune.data.tokenize.LossExtent.LossTarget;
import org.sparkfinetune.data.tokenize.TokenizerFiles;
import org.sparkfinetune.store.Heartbeat;

/**
 * Broadcast to the executors, where it makes one tokenizer for all tasks of a JVM; loading one
 * takes a second.
 */
final class TokenizerOnExecutor implements Serializable {
  private static final long serialVersionUID = 1L;
  private static final Logger LOG = LoggerFactory.getLogger(TokenizerOnExecutor.class);

  private final TokenizerFiles files;
  private final ChatTemplate template;
  private final LossTarget target;
  private transient @Nullable ConversationTokenizer tokenizer;

  TokenizerOnExecutor(TokenizerFiles files, ChatTemplate template, LossTarget target) {
    this.files = files;
    this.template = template;
    this.target = target;
  }

  /** Begins to load while the driver still plans; who needs it then waits in {@link #get}. */
  void warmUp() {
    Heartbeat.daemons("load-tokenizer")
        .newThread(
            () -> {
              try {
                get();
              } catch (RuntimeException e) {
                // The task that needs the tokenizer meets the same and reports it.
                LOG.debug("the tokenizer cannot be loaded", e);
              }
            })
        .start();
  }

  /** Lives as long as the broadcast; the natives' memory goes with the executor. */
  synchronized ConversationTokenizer get() {
    ConversationTokenizer made = tokenizer;
    if (made == null) {
      made = new ConversationTokenizer(LlamaTokenizer.of(files), template, target);
      tokenizer = made;
    }
    return made;
  }
}
