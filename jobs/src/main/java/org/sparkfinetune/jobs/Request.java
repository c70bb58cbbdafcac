package org.sparkfinetune.jobs;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.sparkfinetune.errors.UserError;

/**
 * What a user asked a configured command to do.
 *
 * @param configFile the YAML file, any Hadoop path
 * @param overrides keys in YAML spelling to the text given on the command line, in its order; they
 *     win over the file
 */
record Request(Optional<String> configFile, Map<String, String> overrides) {

  /**
   * Reads {@code --key value} and {@code --key=value}; {@code --some-key} means {@code some_key}, as
   * in the tools whose keys these are.
   *
   * @throws UserError for a word that is no option, an option without a value or given twice
   */
  static Request of(Optional<String> configFile, List<String> words) {
    Map<String, String> overrides = new LinkedHashMap<>();
    for (int at = 0; at < words.size(); at++) {
      String word = words.get(at);
      if (!word.startsWith("--") || word.length() == 2) {
        throw new UserError(
            "Command line: '%s' belongs to no option. Options are --config FILE.yaml and --key value."
                .formatted(word));
      }
      int equals = word.indexOf('=');
      String option = equals < 0 ? word : word.substring(0, equals);
      String value = equals < 0 ? following(words, ++at, option) : word.substring(equals + 1);
      if (overrides.putIfAbsent(option.substring(2).replace('-', '_'), value) != null) {
        throw new UserError(
            "Command line: %s is given twice. Keep one of the two.".formatted(option));
      }
    }
    return new Request(configFile, overrides);
  }

  private static String following(List<String> words, int at, String option) {
    if (at == words.size() || words.get(at).startsWith("--")) {
      throw new UserError(
          "Command line: %s has no value. Write %s VALUE (a switch too: %s true)."
              .formatted(option, option, option));
    }
    return words.get(at);
  }
}
