package org.sparkfinetune.train;

import java.io.IOException;
import java.util.List;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.FileUtil;
import org.apache.hadoop.fs.Path;
import org.sparkfinetune.config.ModelSource;
import org.sparkfinetune.errors.RunFailure;

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
    Path from = new Path(source.folder());
    try {
      FileSystem there = from.getFileSystem(hadoop);
      for (String name : NAMES) {
        Path file = new Path(from, name);
        if (there.exists(file)) {
          FileUtil.copy(there, file, to.getFileSystem(hadoop), new Path(to, name), false, hadoop);
        }
      }
    } catch (IOException e) {
      throw new RunFailure("Copying the tokenizer's files to " + to + ": " + e.getMessage(), e);
    }
  }
}
