package org.sparkfinetune.spark.prepare;

import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Pattern;
import org.sparkfinetune.model.hub.HubFile;

/** The splits that the names of files tell, by the words that the hub's own library knows. */
enum HubSplit {
  TRAIN("train|training"),
  TEST("test|testing|eval|evaluation"),
  VALIDATION("validation|valid|val|dev");

  private final Pattern word;

  HubSplit(String words) {
    word = Pattern.compile("(?:^|[-._ 0-9/])(?:" + words + ")(?:$|[-._ 0-9/])");
  }

  static Optional<HubSplit> of(String path) {
    String lower = path.toLowerCase(Locale.ROOT);
    return Arrays.stream(values()).filter(split -> split.word.matcher(lower).find()).findFirst();
  }

  /**
   * What a key means that names a repository alone. Where no name tells a split, everything is
   * input; what is told to be of another split never is, so that nobody trains on a test split.
   */
  static List<HubFile> choose(List<HubFile> data, InputFile.Origin origin) {
    return switch (origin) {
      case INPUT -> {
        List<HubFile> train = of(data, Optional.of(TRAIN));
        yield train.isEmpty() ? of(data, Optional.empty()) : train;
      }
      case TEST_INPUT -> {
        List<HubFile> test = of(data, Optional.of(TEST));
        yield test.isEmpty() ? of(data, Optional.of(VALIDATION)) : test;
      }
    };
  }

  private static List<HubFile> of(List<HubFile> data, Optional<HubSplit> split) {
    return data.stream().filter(file -> of(file.path()).equals(split)).toList();
  }
}
