package org.sparkfinetune.prepare;

import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * The report as one HTML file that needs nothing else: readable on a phone, in light and dark. All
 * text of the data is escaped; nothing in the page runs.
 */
final class ReportPage {
  private static final String STYLE =
      """
      :root { color-scheme: light dark; --line: #8884; --bar: #4a7dbd; --soft: #8881; }
      body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; padding: 1rem; max-width: 52rem; }
      h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
      table { border-collapse: collapse; width: 100%; }
      td, th { padding: .25rem .5rem; border-bottom: 1px solid var(--line); text-align: left;
               vertical-align: top; overflow-wrap: anywhere; }
      td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
      .bar { background: var(--bar); height: .8rem; min-width: 1px; }
      td.w { width: 45%; }
      pre { white-space: pre-wrap; overflow-wrap: anywhere; background: var(--soft); padding: .5rem;
            margin: .25rem 0 .75rem; border-radius: .25rem; font-size: .85rem; }
      .role { font-size: .8rem; opacity: .7; }
      details { margin: .5rem 0; } summary { cursor: pointer; overflow-wrap: anywhere; }
      """;

  private final PrepareReport report;
  private final StringBuilder html = new StringBuilder();

  ReportPage(PrepareReport report) {
    this.report = report;
  }

  String html() {
    html.append(
        """
        <!doctype html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <title>prepare: %s</title>
        <style>
        %s</style>
        </head>
        <body>
        <h1>prepare: %s</h1>
        """
            .formatted(escaped(report.dataset()), STYLE, escaped(report.dataset())));
    rows();
    notes();
    rejected();
    repeats();
    split("Training split", report.train());
    split("Test split", report.test());
    samples();
    files();
    html.append("</body>\n</html>\n");
    return html.toString();
  }

  private void rows() {
    PrepareReport.Rows rows = report.rows();
    html.append("<table>\n");
    count("rows in", rows.in());
    count("training split", rows.train());
    count("test split", rows.test());
    count("rejected", rows.rejected());
    count("repeats dropped", rows.repeatsDropped());
    count("not selected", rows.notSelected());
    html.append("</table>\n");
    text("p", "Seed %d.".formatted(report.seed()));
  }

  private void count(String name, long number) {
    html.append("<tr><td>%s</td><td class=\"n\">%s</td></tr>\n".formatted(name, number(number)));
  }

  private void notes() {
    if (!report.notes().isEmpty()) {
      html.append("<h2>Good to know</h2>\n<ul>\n");
      report.notes().forEach(note -> text("li", note));
      html.append("</ul>\n");
    }
  }

  private void rejected() {
    html.append("<h2>Rejected rows</h2>\n");
    if (report.rejected().isEmpty()) {
      text("p", "None.");
      return;
    }
    text("p", "All of them are in rejected/rejected.json. Of each reason the first:");
    for (PrepareReport.Rejected reason : report.rejected()) {
      html.append("<details>");
      text("summary", "%s × %s".formatted(number(reason.rows()), reason.reason()));
      text("p", "%s, row %d: %s".formatted(reason.file(), reason.row(), reason.detail()));
      text("pre", reason.excerpt());
      html.append("</details>\n");
    }
  }

  private void repeats() {
    PrepareReport.Repeated repeats = report.repeats();
    html.append("<h2>Repeats</h2>\n<table>\n");
    count("the same text again", repeats.exact());
    count("the same but for case, width and white space", repeats.near());
    count("test rows whose text the training split has", repeats.testRowsInTrain());
    html.append("</table>\n");
  }

  private void split(String title, PrepareReport.SplitSummary split) {
    text("h2", title);
    if (split.rows() == 0) {
      text("p", "Empty.");
      return;
    }
    text(
        "p",
        "%s rows, %s characters, %s a row on average."
            .formatted(
                number(split.rows()),
                number(split.characters()),
                number(split.characters() / split.rows())));
    html.append("<table>\n<tr><th>messages</th><th class=\"n\">rows</th><th></th></tr>\n");
    for (Map.Entry<Integer, Long> entry : split.rowsByMessages().entrySet()) {
      bar(String.valueOf(entry.getKey()), entry.getValue(), split.rows());
    }
    html.append("</table>\n<table>\n");
    html.append("<tr><th>characters</th><th class=\"n\">rows</th><th></th></tr>\n");
    for (PrepareReport.LengthRows length : split.rowsByCharacters()) {
      bar(
          "%s – %s".formatted(number(length.from()), number(length.to())),
          length.rows(),
          split.rows());
    }
    html.append("</table>\n");
    split.tokens().ifPresent(tokens -> tokens(tokens, split.rows()));
    extremes("Shortest", split.shortest());
    extremes("Longest", split.longest());
  }

  private void tokens(TokenReport tokens, long rows) {
    TokenReport.SequenceLength effect = tokens.atConfigured();
    text(
        "p",
        "%s tokens; a row has %s to %s, half of them at most %s, 99 %% at most %s."
            .formatted(
                number(tokens.tokens()),
                number(tokens.shortest()),
                number(tokens.longest()),
                number(tokens.median()),
                number(tokens.p99())));
    text(
        "p",
        effect.tooLong() == 0
            ? "All rows fit max_seq_length %s: packed, about %s rows of it."
                .formatted(number(effect.length()), number(effect.packedRows()))
            : "%s of %s rows are longer than max_seq_length %s and would be dropped with %s tokens (overlong: truncate would cut off %s tokens)."
                .formatted(
                    number(effect.tooLong()),
                    number(rows),
                    number(effect.length()),
                    number(effect.tokensDropped()),
                    number(effect.tokensTruncated())));
    html.append("<table>\n<tr><th>tokens</th><th class=\"n\">rows</th><th></th></tr>\n");
    for (PrepareReport.LengthRows length : tokens.rowsByTokens()) {
      bar("%s – %s".formatted(number(length.from()), number(length.to())), length.rows(), rows);
    }
    html.append("</table>\n<table>\n<tr><th>max_seq_length</th><th class=\"n\">fit</th>");
    html.append("<th class=\"n\">too long</th><th class=\"n\">packed rows</th></tr>\n");
    tokens.sequenceLengths().forEach(this::sequenceLength);
    html.append("</table>\n");
  }

  private void sequenceLength(TokenReport.SequenceLength effect) {
    html.append(
        "<tr><td>%s%s</td><td class=\"n\">%s</td><td class=\"n\">%s</td><td class=\"n\">%s</td></tr>\n"
            .formatted(
                number(effect.length()),
                effect.configured() ? " (configured)" : "",
                number(effect.fitting()),
                number(effect.tooLong()),
                number(effect.packedRows())));
  }

  private void bar(String name, long rows, long all) {
    html.append(
        "<tr><td>%s</td><td class=\"n\">%s</td><td class=\"w\"><div class=\"bar\" style=\"width: %s%%\"></div></td></tr>\n"
            .formatted(name, number(rows), String.format(Locale.ROOT, "%.1f", 100.0 * rows / all)));
  }

  private void extremes(String title, List<PrepareReport.Extreme> extremes) {
    html.append("<details>");
    text("summary", title);
    for (PrepareReport.Extreme extreme : extremes) {
      text("p", "%s characters, %s".formatted(number(extreme.characters()), extreme.id()));
      text("pre", extreme.excerpt());
    }
    html.append("</details>\n");
  }

  private void samples() {
    html.append("<h2>Samples</h2>\n");
    for (PrepareReport.ShownSample sample : report.samples()) {
      html.append("<details>");
      text("summary", sample.id());
      for (PrepareReport.ShownMessage message : sample.messages()) {
        html.append("<div class=\"role\">").append(escaped(message.role())).append("</div>");
        text("pre", message.content());
      }
      html.append("</details>\n");
    }
  }

  private void files() {
    html.append("<h2>Input</h2>\n<table>\n");
    html.append("<tr><th>file</th><th class=\"n\">bytes</th><th class=\"n\">rows</th></tr>\n");
    for (PrepareReport.FileRows file : report.files()) {
      html.append(
          "<tr><td>%s</td><td class=\"n\">%s</td><td class=\"n\">%s</td></tr>\n"
              .formatted(escaped(file.file()), number(file.bytes()), number(file.rows())));
    }
    html.append("</table>\n");
  }

  private void text(String element, String text) {
    html.append("<%s>%s</%s>\n".formatted(element, escaped(text), element));
  }

  private static String number(long number) {
    return String.format(Locale.ROOT, "%,d", number).replace(',', '\u2009');
  }

  static String escaped(String text) {
    return text.replace("&", "&amp;")
        .replace("<", "&lt;")
        .replace(">", "&gt;")
        .replace("\"", "&quot;")
        .replace("'", "&#39;")
        .replace("\0", "\uFFFD");
  }
}
