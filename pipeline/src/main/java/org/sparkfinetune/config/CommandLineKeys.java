package org.sparkfinetune.config;

import java.util.ArrayList;
import java.util.List;
import org.sparkfinetune.errors.UserError;

/**
 * {@code --key value}, {@code --key=value}, a boolean's {@code --key} alone and a list's {@code
 * --key a b}, as transformers' argument parser takes them. A value in brackets or braces is YAML.
 */
final class CommandLineKeys {

  private CommandLineKeys() {}

  static List<Given> parse(KeyTable table, List<String> arguments) {
    List<Given> given = new ArrayList<>();
    int next = 0;
    while (next < arguments.size()) {
      String argument = arguments.get(next++);
      if (!argument.startsWith("--") || argument.length() == 2) {
        throw new UserError(
            "command line: %s belongs to no key; write --key value".formatted(argument));
      }
      int equals = argument.indexOf('=');
      if (equals > 0) {
        String name = argument.substring(2, equals);
        given.add(one(name, argument.substring(equals + 1)));
        continue;
      }
      List<String> words = new ArrayList<>();
      while (next < arguments.size() && !arguments.get(next).startsWith("--")) {
        words.add(arguments.get(next++));
      }
      given.add(many(table, argument.substring(2), words));
    }
    return given;
  }

  private static Given many(KeyTable table, String name, List<String> words) {
    boolean isGroup = table.isGroup(name);
    Key<?> key = isGroup ? null : table.key(name, Place.COMMAND_LINE);
    if (words.size() == 1) {
      return one(name, words.get(0));
    }
    if (words.isEmpty() && key != null && key.isFlag()) {
      return one(name, "true");
    }
    if (words.isEmpty()) {
      throw new UserError("command line: --%s needs a value".formatted(name));
    }
    if (key == null || !key.takesMany()) {
      throw new UserError(
          "command line: --%s takes one value, not %s (%s); put quotes around a value with spaces"
              .formatted(name, words.size(), String.join(" ", words)));
    }
    List<Raw> items =
        words.stream().<Raw>map(word -> new Raw.Scalar(word, Place.COMMAND_LINE)).toList();
    return new Given(name, new Raw.Items(items, Place.COMMAND_LINE));
  }

  private static Given one(String name, String text) {
    Raw plain = new Raw.Scalar(text, Place.COMMAND_LINE);
    boolean isYaml = text.startsWith("[") || text.startsWith("{");
    return new Given(
        name, isYaml ? YamlReader.read(text, line -> Place.COMMAND_LINE).orElse(plain) : plain);
  }
}
