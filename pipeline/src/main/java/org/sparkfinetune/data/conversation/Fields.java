package org.sparkfinetune.data.conversation;

import static org.sparkfinetune.data.conversation.RejectedRow.RejectionReason.MISSING_COLUMN;
import static org.sparkfinetune.data.conversation.RejectedRow.RejectionReason.NOT_UNICODE;
import static org.sparkfinetune.data.conversation.RejectedRow.RejectionReason.NULL_VALUE;
import static org.sparkfinetune.data.conversation.RejectedRow.RejectionReason.WRONG_TYPE;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** Typed access to a row that never coerces: a number is not a text. */
final class Fields {
  private Fields() {}

  static String text(ObjectNode object, String name, String where) throws RejectedRow {
    return text(present(object, name, where), where + name);
  }

  /** The text of an optional column: empty where it is absent, null or an empty text. */
  static String textOrEmpty(ObjectNode object, String name, String where) throws RejectedRow {
    JsonNode value = object.get(name);
    return value == null || value.isNull() ? "" : text(value, where + name);
  }

  static String text(JsonNode value, String what) throws RejectedRow {
    if (!value.isTextual()) {
      throw wrongType(value, what, "a text");
    }
    String text = value.textValue();
    checkUnicode(text, what);
    return text;
  }

  static ArrayNode array(ObjectNode object, String name, String where) throws RejectedRow {
    JsonNode value = present(object, name, where);
    if (value instanceof ArrayNode array) {
      return array;
    }
    throw wrongType(value, where + name, "an array");
  }

  static ObjectNode object(JsonNode value, String what) throws RejectedRow {
    if (value instanceof ObjectNode object) {
      return object;
    }
    throw wrongType(value, what, "an object");
  }

  static JsonNode present(ObjectNode object, String name, String where) throws RejectedRow {
    JsonNode value = object.get(name);
    if (value == null) {
      throw new RejectedRow(
          MISSING_COLUMN, "%s%s is missing; there is %s".formatted(where, name, names(object)));
    }
    if (value.isNull()) {
      throw new RejectedRow(NULL_VALUE, "%s%s is null".formatted(where, name));
    }
    return value;
  }

  /** Absent, null, and an empty array or text are all ways of saying that there is none. */
  static boolean holdsSomething(ObjectNode object, String name) {
    JsonNode value = object.get(name);
    return value != null
        && !value.isNull()
        && !(value.isContainerNode() && value.isEmpty())
        && !(value.isTextual() && value.textValue().isEmpty());
  }

  static RejectedRow wrongType(JsonNode value, String what, String needed) {
    String type = value.getNodeType().name().toLowerCase(Locale.ROOT);
    return new RejectedRow(
        WRONG_TYPE,
        "%s is of type %s (%s), %s is needed"
            .formatted(what, type, shortened(value.toString()), needed));
  }

  static String shortened(String text) {
    return text.length() <= 60 ? text : text.substring(0, 60) + "…";
  }

  private static String names(ObjectNode object) {
    List<String> names = new ArrayList<>();
    object.fieldNames().forEachRemaining(names::add);
    return names.isEmpty() ? "nothing" : shortened(String.join(", ", names));
  }

  private static void checkUnicode(String text, String what) throws RejectedRow {
    for (int i = 0; i < text.length(); i++) {
      if (Character.isSurrogate(text.charAt(i))) {
        boolean pair =
            i + 1 < text.length() && Character.isSurrogatePair(text.charAt(i), text.charAt(i + 1));
        if (!pair) {
          throw new RejectedRow(
              NOT_UNICODE,
              String.format(
                  Locale.ROOT,
                  "%s holds half a surrogate pair (\\u%04x) at character %d, which no encoding can"
                      + " write",
                  what,
                  (int) text.charAt(i),
                  i));
        }
        i++;
      }
    }
  }
}
