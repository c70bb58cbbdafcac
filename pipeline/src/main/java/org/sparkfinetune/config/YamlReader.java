package org.sparkfinetune.config;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.dataformat.yaml.YAMLFactory;
import com.fasterxml.jackson.dataformat.yaml.YAMLParser;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.IntFunction;
import org.sparkfinetune.errors.UserError;

/**
 * Reads one YAML document into {@link YamlNode}s. Refuses what could be read in two ways or builds
 * objects: repeated keys, tags, aliases, a second document.
 */
final class YamlReader {

  /** Deeper than any key of ours, and far from where a parser's stack would end. */
  private static final int MAX_DEPTH = 16;

  private static final Set<String> PLAIN_TAGS =
      Set.of("str", "int", "float", "bool", "null", "seq", "map");

  private final YAMLParser parser;
  private final IntFunction<String> places;

  private YamlReader(YAMLParser parser, IntFunction<String> places) {
    this.parser = parser;
    this.places = places;
  }

  /**
   * The document in {@code text}; empty where there is nothing but comments.
   *
   * @param places from a line, counted from 1, to the place that messages name
   */
  static Optional<YamlNode> read(String text, IntFunction<String> places) {
    try (YAMLParser parser = new YAMLFactory().createParser(text)) {
      YamlReader reader = new YamlReader(parser, places);
      if (parser.nextToken() == null) {
        return Optional.empty();
      }
      YamlNode document = reader.value(0);
      if (parser.nextToken() != null) {
        throw reader.refused("a second document begins here; put one configuration in a file");
      }
      return Optional.of(document);
    } catch (JsonProcessingException e) {
      int line = e.getLocation() == null ? 1 : e.getLocation().getLineNr();
      String why = e.getOriginalMessage().lines().findFirst().orElse("unreadable");
      throw new UserError(places.apply(line) + ": this is not valid YAML: " + why, e);
    } catch (IOException e) {
      throw new UserError(places.apply(1) + ": this cannot be read: " + e.getMessage(), e);
    }
  }

  private YamlNode value(int depth) throws IOException {
    refuseTagsAndAliases();
    if (depth > MAX_DEPTH) {
      throw refused("values are nested more than " + MAX_DEPTH + " deep");
    }
    String place = place();
    return switch (parser.currentToken()) {
      case START_OBJECT -> new YamlNode(null, null, fields(depth), place);
      case START_ARRAY -> new YamlNode(null, items(depth), null, place);
      case VALUE_NULL -> new YamlNode(null, null, null, place);
      default -> YamlNode.ofText(parser.getText(), place);
    };
  }

  private Map<String, YamlNode> fields(int depth) throws IOException {
    Map<String, YamlNode> fields = new LinkedHashMap<>();
    while (parser.nextToken() != JsonToken.END_OBJECT) {
      refuseTagsAndAliases();
      String name = parser.currentName();
      String place = place();
      parser.nextToken();
      // A value is where its key is: a block scalar and a list begin on the line after it.
      YamlNode earlier = fields.putIfAbsent(name, value(depth + 1).at(place));
      if (earlier != null) {
        throw new UserError(
            "%s: the key %s was given before, at %s; keep one of the two"
                .formatted(place, name, earlier.place()));
      }
    }
    return fields;
  }

  private List<YamlNode> items(int depth) throws IOException {
    List<YamlNode> items = new ArrayList<>();
    while (parser.nextToken() != JsonToken.END_ARRAY) {
      items.add(value(depth + 1));
    }
    return items;
  }

  private void refuseTagsAndAliases() throws IOException {
    if (parser.isCurrentAlias()) {
      throw refused("YAML aliases (*name) are not taken here; write the value out");
    }
    String tag = parser.getTypeId();
    if (tag != null && !PLAIN_TAGS.contains(tag.replace("tag:yaml.org,2002:", ""))) {
      throw refused("the YAML tag !" + tag + " is not taken here; write a plain value");
    }
  }

  private UserError refused(String why) {
    return new UserError(place() + ": " + why);
  }

  private String place() {
    return places.apply(parser.currentTokenLocation().getLineNr());
  }
}
