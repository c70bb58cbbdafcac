package org.sparkfinetune.store;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.time.format.DateTimeParseException;
import java.util.Collections;
import java.util.Map;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.UUID;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.sparkfinetune.errors.UserError;

/**
 * {@code current.json} of a {@link PromotedFolder}: which version is the current one, and when each
 * of those before it was replaced that somebody may still be reading.
 */
record CurrentVersion(String name, SortedMap<String, Instant> replaced) {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final Pattern ADAPTER = Pattern.compile("versions/([\\w-]+)/adapter");

  /** Readers find the file and then take their time. */
  private static final Duration READ_WITHIN = Duration.ofHours(1);

  CurrentVersion {
    replaced = Collections.unmodifiableSortedMap(new TreeMap<>(replaced));
  }

  /** One that no other promotion ever gives. */
  static String newName(Instant now) {
    String day = now.toString().substring(0, 10);
    return day + "-" + UUID.randomUUID().toString().substring(0, 8);
  }

  /**
   * What a file says.
   *
   * @throws UserError if it names no version
   */
  static CurrentVersion parse(byte[] json, Object file) {
    try {
      JsonNode node = JSON.readTree(json);
      Matcher adapter = ADAPTER.matcher(node.path("adapter").asText());
      if (!adapter.matches()) {
        throw new IOException("adapter is " + node.path("adapter"));
      }
      SortedMap<String, Instant> replaced = new TreeMap<>();
      for (Map.Entry<String, JsonNode> version : node.path("replaced").properties()) {
        replaced.put(version.getKey(), Instant.parse(version.getValue().asText()));
      }
      return new CurrentVersion(adapter.group(1), replaced);
    } catch (IOException | DateTimeParseException e) {
      throw new UserError(
          "%s does not say which adapter is the current one: %s; wanted: {\"adapter\": \"versions/NAME/adapter\"}, with a NAME that is there. Write that, or delete the file and promote again."
              .formatted(file, e.getMessage()),
          e);
    }
  }

  byte[] json() {
    ObjectNode node = JsonNodeFactory.instance.objectNode();
    node.put("adapter", "versions/%s/adapter".formatted(name));
    ObjectNode times = node.putObject("replaced");
    replaced.forEach((version, time) -> times.put(version, time.toString()));
    return (node + "\n").getBytes(StandardCharsets.UTF_8);
  }

  /** The same folder once another version is the current one. */
  CurrentVersion replacedBy(String next, Instant now) {
    SortedMap<String, Instant> before = new TreeMap<>(replaced);
    before.put(name, now);
    before.values().removeIf(time -> time.isBefore(now.minus(READ_WITHIN)));
    return new CurrentVersion(next, before);
  }

  /** All versions that are to stay. */
  Set<String> names() {
    Set<String> names = new TreeSet<>(replaced.keySet());
    names.add(name);
    return names;
  }
}
