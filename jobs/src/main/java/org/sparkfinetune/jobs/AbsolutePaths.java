package org.sparkfinetune.jobs;

import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.sparkfinetune.config.TrainConfig;

/** Relative paths are the driver's: executors work in folders of their own. */
final class AbsolutePaths {
  private AbsolutePaths() {}

  /** The words with every relative path of the configuration replaced. */
  static List<String> words(List<String> words, TrainConfig config, Configuration hadoop) {
    Map<String, String> paths = new LinkedHashMap<>();
    paths.put("model_id", config.model().modelId());
    config.model().tokenizer().ifPresent(path -> paths.put("tokenizer", path));
    config.model().adapter().ifPresent(path -> paths.put("adapter", path));
    paths.put("dataset_path", config.data().datasetPath());
    paths.put("output_dir", config.outputDir());
    List<String> all = new ArrayList<>(words);
    paths.forEach(
        (key, path) -> {
          String absolute = absolute(path, key, hadoop);
          if (!absolute.equals(path)) {
            remove(all, "--" + key);
            remove(all, "--" + alias(key));
            all.add("--" + key);
            all.add(absolute);
          }
        });
    return all;
  }

  private static String alias(String key) {
    return key.equals("model_id") ? "model_name_or_path" : key;
  }

  private static void remove(List<String> words, String option) {
    for (int i = words.size() - 1; i >= 0; i--) {
      if (words.get(i).equals(option)) {
        words.subList(i, Math.min(words.size(), i + 2)).clear();
      } else if (words.get(i).startsWith(option + "=")) {
        words.remove(i);
      }
    }
  }

  private static String absolute(String text, String key, Configuration hadoop) {
    try {
      Path path = new Path(text);
      if (path.isAbsolute() || path.toUri().getScheme() != null) {
        return text;
      }
      FileSystem files = FileSystem.get(hadoop);
      Path absolute = new Path(files.getWorkingDirectory(), path);
      boolean made = key.equals("output_dir");
      return made || files.exists(absolute) ? absolute.toUri().getPath() : text;
    } catch (IOException | IllegalArgumentException e) {
      // Whoever uses the path says what is wrong with it.
      return text;
    }
  }
}
