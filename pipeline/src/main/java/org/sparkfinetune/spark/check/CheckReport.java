package org.sparkfinetune.spark.check;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.Collectors;
import org.sparkfinetune.engine.metrics.MaskedSample;

/**
 * What {@code check} found.
 *
 * @param samples the first conversations as the model would see them
 */
public record CheckReport(List<CheckLine> lines, List<MaskedSample> samples) {
  public CheckReport {
    lines = List.copyOf(lines);
    samples = List.copyOf(samples);
  }

  /** How many lines are so. */
  public long count(CheckLine.Verdict verdict) {
    return lines.stream().filter(line -> line.verdict() == verdict).count();
  }

  /** Whether training should not be tried. */
  public boolean hasFailed() {
    return count(CheckLine.Verdict.FAILED) > 0;
  }

  /**
   * One thing that was looked at before a run.
   *
   * @param subject a word: configuration, model, data, …
   * @param what was found
   * @param advice what to do, where there is something
   */
  public record CheckLine(String subject, Verdict verdict, String what, Optional<String> advice) {

    /** How it stands. */
    public enum Verdict {
      PASSED,
      /** It will run, but perhaps not as meant. */
      WARNED,
      /** Training would not start, or would fail. */
      FAILED
    }

    static CheckLine passed(String subject, String what) {
      return new CheckLine(subject, Verdict.PASSED, what, Optional.empty());
    }

    static CheckLine warned(String subject, String what, String advice) {
      return new CheckLine(subject, Verdict.WARNED, what, Optional.of(advice));
    }

    static CheckLine failed(String subject, String what, String advice) {
      return new CheckLine(subject, Verdict.FAILED, what, Optional.of(advice));
    }

    /** A message of ours says itself what to do. */
    static CheckLine failed(String subject, RuntimeException thrown) {
      return new CheckLine(
          subject, Verdict.FAILED, String.valueOf(thrown.getMessage()), Optional.empty());
    }
  }

  /** What {@code check} found, for programs. */
  public static final class CheckJson {
    private CheckJson() {}

    /** One JSON document. */
    public static String of(CheckReport report) {
      ObjectNode node = JsonNodeFactory.instance.objectNode();
      ArrayNode lines = node.putArray("checks");
      for (CheckLine line : report.lines()) {
        ObjectNode one =
            lines
                .addObject()
                .put("subject", line.subject())
                .put("verdict", line.verdict().name().toLowerCase(Locale.ROOT))
                .put("what", line.what());
        line.advice().ifPresent(advice -> one.put("advice", advice));
      }
      ArrayNode samples = node.putArray("samples");
      report.samples().forEach(sample -> samples.add(sample.json()));
      return node.put("failed", report.count(CheckLine.Verdict.FAILED)).toPrettyString();
    }
  }

  /** What {@code check} found, for people. */
  public static final class CheckText {
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
        lines.add(
            "%s  %-15s %s".formatted(word(line.verdict()), line.subject(), shown(line.what())));
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
}
