package org.sparkfinetune.config;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.sparkfinetune.config.Values.Given;
import org.sparkfinetune.errors.UserError;

/**
 * {@code --key value}, {@code --key=value}, a boolean's {@code --key} alone and a list's {@code
 * --key a b}, as transformers' argument parser takes them. A value in brackets or braces is YAML,
 * unless it is a regular expression.
 */
final class CommandLineKeys {

  static final String PLACE = "command line";

  private CommandLineKeys() {}

  static List<Given> parse(KeyTable table, List<String> arguments) {
    List<Given> given = new ArrayList<>();
    int next = 0;
    while (next < arguments.size()) {
      String argument = arguments.get(next++);
      if (!argument.startsWith("--") || argument.length() == 2) {
        throw refused("%s belongs to no key; write --key value".formatted(argument));
      }
      int equals = argument.indexOf('=');
      if (equals > 0) {
        given.add(one(table, argument.substring(2, equals), argument.substring(equals + 1)));
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
    Optional<KeyEntry> key = table.find(name);
    if (words.size() == 1) {
      return one(table, name, words.get(0));
    }
    if (words.isEmpty() && key.filter(KeyEntry::isFlag).isPresent()) {
      return one(table, name, "true");
    }
    boolean isUnknown = key.isEmpty() && !table.isGroup(name);
    if (isUnknown || (!words.isEmpty() && key.filter(KeyEntry::takesMany).isPresent())) {
      return new Given(name, YamlNode.ofTexts(words, PLACE));
    }
    throw refused(
        words.isEmpty()
            ? "--%s needs a value".formatted(name)
            : "--%s takes one value, not %s (%s); put quotes around a value with spaces"
                .formatted(name, words.size(), String.join(" ", words)));
  }

  private static Optional<YamlNode> yaml(String name, String text) {
    try {
      return YamlReader.read(text, line -> PLACE);
    } catch (UserError e) {
      String why = String.valueOf(e.getMessage()).substring(PLACE.length() + 2);
      throw new UserError("%s: %s is %s: %s".formatted(PLACE, name, text, why), e);
    }
  }

  private static Given one(KeyTable table, String name, String text) {
    YamlNode plain = YamlNode.ofText(text, PLACE);
    boolean isYaml =
        (text.startsWith("[") || text.startsWith("{"))
            && table.find(name).filter(KeyEntry::isExpression).isEmpty();
    return new Given(name, isYaml ? yaml(name, text).orElse(plain) : plain);
  }

  private static UserError refused(String why) {
    return new UserError(PLACE + ": " + why);
  }
}
