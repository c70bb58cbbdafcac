package org.sparkfinetune.data.jinja;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.sparkfinetune.data.jinja.RenderedConversation.Span;

/**
 * Characters put around contents (and, by the template's own tags, around generated text) so that a
 * rendered text tells where each came to lie:
 *
 * <pre>OUTER_LEFT spaces LEFT index index content RIGHT spaces OUTER_RIGHT</pre>
 *
 * The outer ones count as spaces in Python, so a template's {@code trim} takes them away exactly
 * when it takes the content's own spaces away; the inner ones are Unicode noncharacters and stay.
 */
final class ContentMarkers {
  private static final char OUTER_LEFT = 0x1c;
  private static final char OUTER_RIGHT = 0x1d;
  private static final char LEFT = 0xfdd0;
  private static final char RIGHT = 0xfdd1;
  static final char GENERATION = 0xfdd2;
  static final char END_GENERATION = 0xfdd3;

  /** First of the private-use characters that spell a message's index in two digits. */
  private static final char DIGIT = 0xe000;

  private static final int BASE = 4096;

  private ContentMarkers() {}

  /**
   * @param keptLeft whether the spaces before the content are in the text
   * @param keptRight whether those after it are
   */
  record Content(int message, Span span, boolean keptLeft, boolean keptRight) {}

  /**
   * A border of generated text.
   *
   * @param contentsBefore how many contents end before it; two things may lie at one position
   */
  record Border(int position, int contentsBefore) {}

  /**
   * A text without its markers.
   *
   * @param generation borders, alternately begin and end
   */
  record Unmarked(String text, List<Content> contents, List<Border> generation) {}

  static boolean occurIn(String text) {
    return text.chars().anyMatch(ContentMarkers::isMark);
  }

  private static boolean isMark(int c) {
    return c == OUTER_LEFT || c == OUTER_RIGHT || (c >= LEFT && c <= END_GENERATION);
  }

  static String around(int message, String content) {
    int from = PythonStrings.leadingSpaces(content);
    int to = Math.max(from, PythonStrings.endWithoutSpaces(content));
    return OUTER_LEFT
        + content.substring(0, from)
        + LEFT
        + (char) (DIGIT + message / BASE)
        + (char) (DIGIT + message % BASE)
        + content.substring(from, to)
        + RIGHT
        + content.substring(to)
        + OUTER_RIGHT;
  }

  /** Empty where the template tore the markers of a content apart. */
  static Optional<Unmarked> remove(String marked) {
    return new Remover(marked).run();
  }

  private static final class Remover {
    private static final int NONE = -1;

    private final String marked;
    private final StringBuilder text;
    private final List<Content> contents = new ArrayList<>();
    private final List<Border> generation = new ArrayList<>();
    private int at = 0;
    private int outerLeft = NONE;
    private int left = NONE;
    private int message = NONE;
    private boolean mayEndOuter = false;

    Remover(String marked) {
      this.marked = marked;
      this.text = new StringBuilder(marked.length());
    }

    Optional<Unmarked> run() {
      boolean whole = true;
      for (; at < marked.length() && whole; at++) {
        char c = marked.charAt(at);
        whole =
            switch (c) {
              case OUTER_LEFT -> beginOuter();
              case LEFT -> begin();
              case RIGHT -> end();
              case OUTER_RIGHT -> endOuter();
              case GENERATION, END_GENERATION -> border(c);
              default -> copy(c);
            };
      }
      whole = whole && left == NONE && outerLeft == NONE && generation.size() % 2 == 0;
      return whole
          ? Optional.of(new Unmarked(text.toString(), contents, generation))
          : Optional.empty();
    }

    private boolean beginOuter() {
      boolean fits = outerLeft == NONE && left == NONE;
      outerLeft = text.length();
      mayEndOuter = false;
      return fits;
    }

    private boolean begin() {
      if (left != NONE || at + 2 >= marked.length()) {
        return false;
      }
      left = outerLeft == NONE ? text.length() : outerLeft;
      message = (marked.charAt(at + 1) - DIGIT) * BASE + (marked.charAt(at + 2) - DIGIT);
      at += 2;
      mayEndOuter = false;
      return true;
    }

    private boolean end() {
      if (left == NONE) {
        return false;
      }
      contents.add(new Content(message, new Span(left, text.length()), outerLeft != NONE, false));
      left = NONE;
      outerLeft = NONE;
      mayEndOuter = true;
      return true;
    }

    private boolean endOuter() {
      if (!mayEndOuter) {
        return false;
      }
      Content last = contents.remove(contents.size() - 1);
      Span wider = new Span(last.span().from(), text.length());
      contents.add(new Content(last.message(), wider, last.keptLeft(), true));
      mayEndOuter = false;
      return true;
    }

    private boolean border(char c) {
      boolean fits = (generation.size() % 2 == 0) == (c == GENERATION) && left == NONE;
      generation.add(new Border(text.length(), contents.size()));
      return fits && outerLeft == NONE;
    }

    private boolean copy(char c) {
      text.append(c);
      boolean space = PythonStrings.isSpace(c);
      mayEndOuter = mayEndOuter && space;
      return space || outerLeft == NONE || left != NONE;
    }
  }
}
