package org.sparkfinetune.spark.check;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;
import org.sparkfinetune.engine.metrics.MaskedSample;

/** What {@code check} found, for people. */
public final class CheckText {
  private static final String RESET = "\u001b[0m";

  private final Style style;

  /** What the terminal shows. */
  public enum Style {
    COLOUR,
    /** Trained text stands between {@code «} and {@code »}. */
    PLAIN
  }

  public CheckText(Style style) {
    this.style = style;
  }

  /** Lines without line ends. */
  public List<String> lines(CheckReport report) {
    List<String> lines = new ArrayList<>();
    for (CheckLine line : report.lines()) {
      lines.add("%s  %-15s %s".formatted(word(line.verdict()), line.subject(), shown(line.what())));
      line.advice().ifPresent(advice -> lines.add(" ".repeat(22) + "-> " + shown(advice)));
    }
    for (MaskedSample sample : report.samples()) {
      lines.add("");
      lines.add(
          "A sample of %s tokens; the loss is taken over %s, %s:"
              .formatted(
                  sample.tokens(),
                  sample.trainedTokens(),
                  style == Style.COLOUR ? "in green" : "between « and »"));
      lines.add(sample.pieces().stream().map(this::piece).collect(Collectors.joining()));
    }
    lines.add("");
    lines.add(
        "%s passed, %s warned, %s failed"
            .formatted(
                report.count(CheckLine.Verdict.PASSED),
                report.count(CheckLine.Verdict.WARNED),
                report.count(CheckLine.Verdict.FAILED)));
    return lines;
  }

  private String word(CheckLine.Verdict verdict) {
    String word =
        switch (verdict) {
          case PASSED -> "pass";
          case WARNED -> "warn";
          case FAILED -> "FAIL";
        };
    int colour =
        switch (verdict) {
          case PASSED -> 32;
          case WARNED -> 33;
          case FAILED -> 31;
        };
    return coloured(word, colour);
  }

  private String piece(MaskedSample.Piece piece) {
    String text = shown(piece.text());
    return switch (piece.loss()) {
      case NOT_TRAINED -> coloured(text, 2);
      case TRAINED -> style == Style.COLOUR ? coloured(text, 32) : "«" + text + "»";
    };
  }

  private String coloured(String text, int code) {
    return style == Style.COLOUR ? "\u001b[%sm%s%s".formatted(code, text, RESET) : text;
  }

  /** Text of data may hold what would steer the terminal. */
  private static String shown(String text) {
    StringBuilder shown = new StringBuilder();
    text.codePoints()
        .forEach(
            c -> {
              if (Character.isISOControl(c) && c != '\n' && c != '\t') {
                shown.append(String.format(Locale.ROOT, "\\u%04x", c));
              } else {
                shown.appendCodePoint(c);
              }
            });
    return shown.toString();
  }
}
