package org.sparkfinetune.data.jinja;

import java.beans.FeatureDescriptor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.StreamSupport;
import jinjava.javax.el.ELContext;
import jinjava.javax.el.ELResolver;
import org.jspecify.annotations.Nullable;

/**
 * Python's string methods and indexing on the strings of a template. jinjava calls Java's methods,
 * which have other names ({@code startsWith}) or, worse, the same name and another meaning ({@code
 * strip} and {@code split}).
 */
final class PythonStrings extends ELResolver {

  /** {@code str.isspace}; Java's own notions leave out no-break spaces or take in more. */
  static boolean isSpace(char c) {
    return switch (c) {
      case '\t', '\n', 0x0b, '\f', '\r', 0x1c, 0x1d, 0x1e, 0x1f, ' ', 0x85, 0xa0, 0x1680 -> true;
      case 0x2028, 0x2029, 0x202f, 0x205f, 0x3000 -> true;
      default -> c >= 0x2000 && c <= 0x200a;
    };
  }

  /** The index of the first character that is no space, the length if there is none. */
  static int leadingSpaces(String text) {
    int i = 0;
    while (i < text.length() && isSpace(text.charAt(i))) {
      i++;
    }
    return i;
  }

  /** The end of the text without the spaces at its end. */
  static int endWithoutSpaces(String text) {
    int i = text.length();
    while (i > 0 && isSpace(text.charAt(i - 1))) {
      i--;
    }
    return i;
  }

  static String strip(String text) {
    int from = leadingSpaces(text);
    return from == text.length() ? "" : text.substring(from, endWithoutSpaces(text));
  }

  @Override
  public @Nullable Object invoke(
      ELContext context,
      @Nullable Object base,
      Object method,
      Class<?> @Nullable [] types,
      Object @Nullable [] parameters) {
    if (base instanceof String text) {
      List<@Nullable Object> given = parameters == null ? List.of() : Arrays.asList(parameters);
      Optional<Object> result = call(text, method.toString(), given);
      if (result.isPresent()) {
        context.setPropertyResolved(true);
        return result.get();
      }
    }
    return null;
  }

  private static Optional<Object> call(String text, String method, List<@Nullable Object> given) {
    String first = given.isEmpty() ? "" : String.valueOf(given.get(0));
    String second = given.size() < 2 ? "" : String.valueOf(given.get(1));
    Object result =
        switch (method + given.size()) {
          case "strip0" -> strip(text);
          case "lstrip0" -> text.substring(leadingSpaces(text));
          case "rstrip0" -> text.substring(0, endWithoutSpaces(text));
          case "strip1" -> stripStart(stripEnd(text, first), first);
          case "lstrip1" -> stripStart(text, first);
          case "rstrip1" -> stripEnd(text, first);
          case "startswith1" -> text.startsWith(first);
          case "endswith1" -> text.endsWith(first);
          case "removeprefix1" -> text.startsWith(first) ? text.substring(first.length()) : text;
          case "removesuffix1" ->
              text.endsWith(first) ? text.substring(0, text.length() - first.length()) : text;
          case "upper0" -> text.toUpperCase(Locale.ROOT);
          case "lower0" -> text.toLowerCase(Locale.ROOT);
          case "capitalize0" -> capitalize(text);
          case "title0" -> title(text);
          case "split0" -> splitAtSpaces(text);
          case "split1" -> split(text, first, Integer.MAX_VALUE);
          case "split2" -> split(text, first, (int) number(given.get(1)));
          case "splitlines0" -> text.lines().toList();
          case "replace2" -> text.replace(first, second);
          case "find1" -> (long) text.indexOf(first);
          case "rfind1" -> (long) text.lastIndexOf(first);
          case "count1" -> (long) split(text, first, Integer.MAX_VALUE).size() - 1;
          case "isdigit0" -> !text.isEmpty() && text.chars().allMatch(Character::isDigit);
          case "isspace0" -> !text.isEmpty() && strip(text).isEmpty();
          case "join1" -> join(text, given.get(0));
          default -> null;
        };
    return Optional.ofNullable(result);
  }

  private static long number(@Nullable Object value) {
    if (value instanceof Number number) {
      return number.longValue() < 0 ? Integer.MAX_VALUE : number.longValue();
    }
    throw new IllegalArgumentException("not a number: " + value);
  }

  private static String stripStart(String text, String characters) {
    int i = 0;
    while (i < text.length() && characters.indexOf(text.charAt(i)) >= 0) {
      i++;
    }
    return text.substring(i);
  }

  private static String stripEnd(String text, String characters) {
    int i = text.length();
    while (i > 0 && characters.indexOf(text.charAt(i - 1)) >= 0) {
      i--;
    }
    return text.substring(0, i);
  }

  private static String capitalize(String text) {
    return text.isEmpty()
        ? text
        : text.substring(0, 1).toUpperCase(Locale.ROOT)
            + text.substring(1).toLowerCase(Locale.ROOT);
  }

  private static String title(String text) {
    StringBuilder out = new StringBuilder(text.length());
    boolean inside = false;
    for (char c : text.toCharArray()) {
      out.append(inside ? Character.toLowerCase(c) : Character.toTitleCase(c));
      inside = Character.isLetter(c);
    }
    return out.toString();
  }

  private static List<String> splitAtSpaces(String text) {
    List<String> parts = new ArrayList<>();
    int from = -1;
    for (int i = 0; i <= text.length(); i++) {
      boolean space = i == text.length() || isSpace(text.charAt(i));
      if (space && from >= 0) {
        parts.add(text.substring(from, i));
        from = -1;
      } else if (!space && from < 0) {
        from = i;
      }
    }
    return parts;
  }

  private static List<String> split(String text, String separator, int most) {
    if (separator.isEmpty()) {
      throw new IllegalArgumentException("empty separator");
    }
    List<String> parts = new ArrayList<>();
    int from = 0;
    int at = text.indexOf(separator);
    while (at >= 0 && parts.size() < most) {
      parts.add(text.substring(from, at));
      from = at + separator.length();
      at = text.indexOf(separator, from);
    }
    parts.add(text.substring(from));
    return parts;
  }

  private static String join(String separator, @Nullable Object parts) {
    Iterable<?> all = parts instanceof Iterable<?> given ? given : Collections.emptyList();
    return StreamSupport.stream(all.spliterator(), false)
        .map(String::valueOf)
        .collect(Collectors.joining(separator));
  }

  @Override
  public @Nullable Object getValue(
      ELContext context, @Nullable Object base, @Nullable Object property) {
    if (base instanceof String text && property != null) {
      String index = property.toString();
      if (index.matches("-?\\d{1,9}")) {
        int i = Integer.parseInt(index);
        int at = i < 0 ? text.length() + i : i;
        if (at >= 0 && at < text.length()) {
          context.setPropertyResolved(true);
          return text.substring(at, at + 1);
        }
      }
    }
    return null;
  }

  @Override
  public @Nullable Class<?> getType(
      ELContext context, @Nullable Object base, @Nullable Object property) {
    return null;
  }

  @Override
  public void setValue(
      ELContext context, @Nullable Object base, @Nullable Object property, @Nullable Object value) {
    // Strings have no properties to set; leaving the context unresolved passes the question on.
  }

  @Override
  public boolean isReadOnly(ELContext context, @Nullable Object base, @Nullable Object property) {
    return true;
  }

  @Override
  public @Nullable Iterator<FeatureDescriptor> getFeatureDescriptors(
      ELContext context, @Nullable Object base) {
    return null;
  }

  @Override
  public @Nullable Class<?> getCommonPropertyType(ELContext context, @Nullable Object base) {
    return null;
  }
}
