package org.sparkfinetune.data.jinja;

import com.hubspot.jinjava.interpret.JinjavaInterpreter;
import java.time.LocalDateTime;
import java.time.format.DateTimeFormatter;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/** The functions that transformers gives to chat templates. Public because jinjava calls them. */
public final class TemplateFunctions {
  /** Context variable with the time that {@code strftime_now} tells. */
  static final String NOW = "__now";

  private TemplateFunctions() {}

  /** A template's own objection to the conversation. */
  static final class Raised extends RuntimeException {
    private static final long serialVersionUID = 1L;

    Raised(String message) {
      super(message);
    }
  }

  public static String raiseException(@Nullable Object message) {
    throw new Raised(String.valueOf(message));
  }

  public static String strftimeNow(@Nullable Object format) {
    Object now = JinjavaInterpreter.getCurrent().getContext().get(NOW);
    if (!(now instanceof LocalDateTime time)) {
      throw new Raised("strftime_now has no time to tell");
    }
    String pattern = String.valueOf(format);
    StringBuilder out = new StringBuilder();
    for (int i = 0; i < pattern.length(); i++) {
      char c = pattern.charAt(i);
      boolean directive = c == '%' && i + 1 < pattern.length();
      out.append(directive ? field(pattern.charAt(++i), time) : String.valueOf(c));
    }
    return out.toString();
  }

  private static String field(char directive, LocalDateTime time) {
    String java =
        switch (directive) {
          case 'd' -> "dd";
          case 'm' -> "MM";
          case 'b', 'h' -> "MMM";
          case 'B' -> "MMMM";
          case 'Y' -> "yyyy";
          case 'y' -> "yy";
          case 'H' -> "HH";
          case 'I' -> "hh";
          case 'M' -> "mm";
          case 'S' -> "ss";
          case 'p' -> "a";
          case 'a' -> "EEE";
          case 'A' -> "EEEE";
          case 'j' -> "DDD";
          case '%' -> "'%'";
          default -> throw new Raised("strftime_now does not know %" + directive);
        };
    // Locale.US and not ROOT: ROOT writes months as numbers.
    return DateTimeFormatter.ofPattern(java, Locale.US).format(time);
  }
}
