package org.sparkfinetune.engine.train;

import java.util.List;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.sparkfinetune.config.ModelSource;
import org.sparkfinetune.store.AtomicCopy;

/** What belongs beside a model's weights. */
final class ModelFiles {
  static final List<String> NAMES =
      List.of(
          "config.json",
          "generation_config.json",
          "tokenizer.json",
          "tokenizer_config.json",
          "special_tokens_map.json",
          "chat_template.jinja");

  private ModelFiles() {}

  static void copy(ModelSource source, Path to, Configuration hadoop) {
    AtomicCopy.present(new Path(source.folder()), to, NAMES, hadoop);
  }
}
