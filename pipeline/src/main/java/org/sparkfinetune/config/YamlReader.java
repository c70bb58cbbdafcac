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
 * Reads one YAML document into {@link Raw} values that remember their lines. Refuses what could be
 * read in two ways or builds objects: repeated keys, tags, aliases, a second document.
 */
final class YamlReader {

  /** Deeper than any key of ours, and far from where a parser's stack would end. */
  private static final int MAX_DEPTH = 16;

  private static final Set<String> PLAIN_TAGS =
      Set.of("str", "int", "float", "bool", "null", "seq", "map");

  private final IntFunction<Place> places;
  private final YAMLParser parser;

  private YamlReader(YAMLParser parser, IntFunction<Place> places) {
    this.parser = parser;
    this.places = places;
  }

  /** The document in {@code text}; empty where there is none (nothing but comments). */
  static Optional<Raw> read(String text, IntFunction<Place> places) {
    try (YAMLParser parser = new YAMLFactory().createParser(text)) {
      YamlReader reader = new YamlReader(parser, places);
      if (parser.nextToken() == null) {
        return Optional.empty();
      }
      Raw document = reader.value(0);
      if (parser.nextToken() != null) {
        throw reader.refused("a second document begins here; put one configuration in a file");
      }
      return Optional.of(document);
    } catch (JsonProcessingException e) {
      int line = e.getLocation() == null ? 1 : e.getLocation().getLineNr();
      throw new UserError(places.apply(line) + ": this is not valid YAML: " + firstLine(e), e);
    } catch (IOException e) {
      throw new UserError(places.apply(1) + ": this cannot be read: " + e.getMessage(), e);
    }
  }

  private Raw value(int depth) throws IOException {
    refuseTagsAndAliases();
    if (depth > MAX_DEPTH) {
      throw refused("values are nested more than " + MAX_DEPTH + " deep");
    }
    Place place = place();
    JsonToken token = parser.currentToken();
    if (token == JsonToken.START_OBJECT) {
      return new Raw.Fields(fields(depth), place);
    }
    if (token == JsonToken.START_ARRAY) {
      return new Raw.Items(items(depth), place);
    }
    return token == JsonToken.VALUE_NULL
        ? new Raw.Nothing(place)
        : new Raw.Scalar(parser.getText(), place);
  }

  private Map<String, Raw> fields(int depth) throws IOException {
    Map<String, Raw> fields = new LinkedHashMap<>();
    while (parser.nextToken() != JsonToken.END_OBJECT) {
      refuseTagsAndAliases();
      String name = parser.currentName();
      Place place = place();
      parser.nextToken();
      Raw value = value(depth + 1);
      Raw earlier = fields.putIfAbsent(name, at(place, value));
      if (earlier != null) {
        throw new UserError(
            "%s: the key %s was given before, at %s; keep one of the two"
                .formatted(place, name, earlier.place()));
      }
    }
    return fields;
  }

  private List<Raw> items(int depth) throws IOException {
    List<Raw> items = new ArrayList<>();
    while (parser.nextToken() != JsonToken.END_ARRAY) {
      items.add(value(depth + 1));
    }
    return items;
  }

  /** A value is where its key is: a block scalar and a list begin on the line after it. */
  private static Raw at(Place place, Raw value) {
    if (value instanceof Raw.Scalar scalar) {
      return new Raw.Scalar(scalar.text(), place);
    }
    if (value instanceof Raw.Items items) {
      return new Raw.Items(items.items(), place);
    }
    if (value instanceof Raw.Fields fields) {
      return new Raw.Fields(fields.fields(), place);
    }
    return new Raw.Nothing(place);
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

  private Place place() {
    return places.apply(parser.currentTokenLocation().getLineNr());
  }

  private static String firstLine(JsonProcessingException e) {
    return e.getOriginalMessage().lines().findFirst().orElse("unreadable");
  }
}
