package org.sparkfinetune.spark.prepare;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.apache.hadoop.fs.Path;
import org.sparkfinetune.data.conversation.EncodedConversation;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.store.Store;

/**
 * Names of conversations, and those that shall be left out. A name follows from the conversation's
 * text alone, so it holds over seeds, splits and sources, as long as the converter and the system
 * message are the same. Repeats of a text have a number behind its name; leaving out one of them
 * leaves out all, since they are one text.
 */
final class ExcludedIds {
  private static final Pattern ID = Pattern.compile("([0-9a-f]{20})(-\\d+)?");

  private ExcludedIds() {}

  /** Whether a conversation is among the excluded ones, and as which; empty if it is not. */
  static Optional<String> among(Set<String> excluded, EncodedConversation conversation) {
    return excluded.isEmpty()
        ? Optional.empty()
        : Optional.of(EncodedConversation.name(conversation.digest())).filter(excluded::contains);
  }

  /**
   * @param given ids, or files that hold one id a line
   * @return names of texts
   * @throws UserError for what is neither
   */
  static Set<String> read(List<String> given, Store store) {
    Set<String> names = new HashSet<>();
    for (String text : given) {
      Matcher id = ID.matcher(text.strip());
      if (id.matches()) {
        names.add(id.group(1));
      } else {
        names.addAll(ofFile(text, store));
      }
    }
    return names;
  }

  /** For the report: ids that are wanted out and were not in; a wrong list shows by that. */
  static List<String> notes(Set<String> excluded, Set<String> found) {
    List<String> missing =
        excluded.stream().filter(name -> !found.contains(name)).sorted().toList();
    return missing.isEmpty()
        ? List.of()
        : List.of(
            "%s of the %s id(s) of exclude_ids are no row's, as %s."
                .formatted(missing.size(), excluded.size(), missing.get(0)));
  }

  private static Set<String> ofFile(String path, Store store) {
    List<String> lines = lines(path, store).map(String::strip).toList();
    Set<String> names = new TreeSet<>();
    for (int i = 0; i < lines.size(); i++) {
      Matcher id = ID.matcher(lines.get(i));
      if (id.matches()) {
        names.add(id.group(1));
      } else if (!lines.get(i).isEmpty()) {
        String line = lines.get(i);
        throw new UserError(
            "exclude_ids: %s line %s is no id: %s. Write one id a line, as the column id has them."
                .formatted(path, i + 1, line.substring(0, Math.min(60, line.length()))));
      }
    }
    return names;
  }

  private static Stream<String> lines(String path, Store store) {
    try {
      return store
          .read(new Path(path))
          .map(bytes -> new String(bytes, UTF_8).lines())
          .orElseThrow(
              () ->
                  new UserError(
                      "exclude_ids: %s is no id (20 hexadecimal digits), and there is no such file."
                          .formatted(path)));
    } catch (RunFailure | IllegalArgumentException e) {
      throw new UserError("exclude_ids: cannot read %s: %s".formatted(path, Prepare.oneLine(e)), e);
    }
  }
}
