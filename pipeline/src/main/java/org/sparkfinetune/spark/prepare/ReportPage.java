package org.sparkfinetune.spark.prepare;

import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.PropertyNamingStrategies;
import com.fasterxml.jackson.databind.SerializerProvider;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.module.SimpleModule;
import com.fasterxml.jackson.databind.ser.std.StdSerializer;
import java.io.IOException;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import org.sparkfinetune.errors.Bug;
import org.sparkfinetune.report.Page;

/**
 * The report for programs, as JSON, and for people, as one HTML file that needs nothing else:
 * readable on a phone, in light and dark. All text of the data is escaped; nothing in the page
 * runs.
 */
final class ReportPage {
  static final String JSON = "report.json";
  static final String HTML = "report.html";

  private static final ObjectMapper MAPPER =
      JsonMapper.builder()
          .addModule(optionals())
          .propertyNamingStrategy(PropertyNamingStrategies.SNAKE_CASE)
          .build();

  private final PrepareReport report;
  private final Page page;

  ReportPage(PrepareReport report) {
    this.report = report;
    this.page = new Page("prepare: " + report.dataset());
  }

  /** The report as JSON, for programs. */
  String json() {
    try {
      return MAPPER.writerWithDefaultPrettyPrinter().writeValueAsString(report) + "\n";
    } catch (JsonProcessingException e) {
      throw new Bug("The report could not be written as JSON.", e);
    }
  }

  /** Spark's Jackson comes without the module for Optional. */
  @SuppressWarnings("rawtypes")
  private static SimpleModule optionals() {
    return new SimpleModule()
        .addSerializer(
            Optional.class,
            new StdSerializer<Optional>(Optional.class) {
              private static final long serialVersionUID = 1L;

              @Override
              public void serialize(Optional value, JsonGenerator json, SerializerProvider provider)
                  throws IOException {
                provider.defaultSerializeValue(value.orElse(null), json);
              }
            });
  }

  String html() {
    rows();
    sources();
    notes();
    rejected();
    repeats();
    split("Training split", report.train());
    split("Test split", report.test());
    samples();
    files();
    return page.html();
  }

  private void rows() {
    PrepareReport.Rows rows = report.rows();
    page.raw("<table>\n");
    count("rows in", rows.in());
    count("training split", rows.train());
    count("test split", rows.test());
    count("rejected", rows.rejected());
    count("repeats dropped", rows.repeatsDropped());
    count("not selected", rows.notSelected());
    if (rows.excluded() > 0) {
      count("left out by exclude_ids", rows.excluded());
    }
    page.raw("</table>\n");
    page.text("p", "Seed %s.".formatted(report.seed()));
  }

  private void sources() {
    if (report.sources().isEmpty()) {
      return;
    }
    page.raw("<h2>Sources</h2>\n<table>\n<tr><th>source</th><th>dataset</th>");
    page.raw("<th class=\"n\">rows in</th><th class=\"n\">train</th><th class=\"n\">test</th>");
    page.raw("<th></th></tr>\n");
    for (PrepareReport.SourceRows source : report.sources()) {
      page.raw("<tr>").cell(source.name()).cell(source.dataset());
      page.number(number(source.in())).number(number(source.train()));
      page.number(number(source.test()));
      page.bar((double) source.train() / Math.max(1, report.rows().train())).raw("</tr>\n");
    }
    page.raw("</table>\n");
  }

  private void count(String name, long number) {
    page.raw("<tr>").cell(name).number(number(number)).raw("</tr>\n");
  }

  private void notes() {
    if (!report.notes().isEmpty()) {
      page.raw("<h2>Good to know</h2>\n<ul>\n");
      report.notes().forEach(note -> page.text("li", note));
      page.raw("</ul>\n");
    }
  }

  private void rejected() {
    page.raw("<h2>Rejected rows</h2>\n");
    if (report.rejected().isEmpty()) {
      page.text("p", "None.");
      return;
    }
    page.text("p", "All of them are in rejected/rejected.json. Of each reason the first:");
    for (PrepareReport.Rejected reason : report.rejected()) {
      page.raw("<details>");
      page.text("summary", "%s × %s".formatted(number(reason.rows()), reason.reason()));
      page.text("p", "%s, row %s: %s".formatted(reason.file(), reason.row(), reason.detail()));
      page.text("pre", reason.excerpt());
      page.raw("</details>\n");
    }
  }

  private void repeats() {
    PrepareReport.Repeated repeats = report.repeats();
    page.raw("<h2>Repeats</h2>\n<table>\n");
    count("the same text again", repeats.exact());
    count("the same but for case, width and white space", repeats.near());
    count("test rows whose text the training split has", repeats.testRowsInTrain());
    page.raw("</table>\n");
  }

  private void split(String title, PrepareReport.SplitSummary split) {
    page.text("h2", title);
    if (split.rows() == 0) {
      page.text("p", "Empty.");
      return;
    }
    page.text(
        "p",
        "%s rows, %s characters, %s a row on average."
            .formatted(
                number(split.rows()),
                number(split.characters()),
                number(split.characters() / split.rows())));
    page.raw("<table>\n<tr><th>messages</th><th class=\"n\">rows</th><th></th></tr>\n");
    for (Map.Entry<Integer, Long> entry : split.rowsByMessages().entrySet()) {
      bar(String.valueOf(entry.getKey()), entry.getValue(), split.rows());
    }
    page.raw("</table>\n<table>\n");
    page.raw("<tr><th>characters</th><th class=\"n\">rows</th><th></th></tr>\n");
    for (PrepareReport.LengthRows length : split.rowsByCharacters()) {
      bar(
          "%s – %s".formatted(number(length.from()), number(length.to())),
          length.rows(),
          split.rows());
    }
    page.raw("</table>\n");
    split.tokens().ifPresent(tokens -> tokens(tokens, split.rows()));
    extremes("Shortest", split.shortest());
    extremes("Longest", split.longest());
  }

  private void tokens(TokenReport tokens, long rows) {
    TokenReport.SequenceLength effect = tokens.atConfigured();
    page.text(
        "p",
        "%s tokens; a row has %s to %s, half of them at most %s, 99 %% at most %s."
            .formatted(
                number(tokens.tokens()),
                number(tokens.shortest()),
                number(tokens.longest()),
                number(tokens.median()),
                number(tokens.p99())));
    page.text(
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
    page.raw("<table>\n<tr><th>tokens</th><th class=\"n\">rows</th><th></th></tr>\n");
    for (PrepareReport.LengthRows length : tokens.rowsByTokens()) {
      bar("%s – %s".formatted(number(length.from()), number(length.to())), length.rows(), rows);
    }
    page.raw("</table>\n<table>\n<tr><th>max_seq_length</th><th class=\"n\">fit</th>");
    page.raw("<th class=\"n\">too long</th><th class=\"n\">packed rows</th></tr>\n");
    tokens.sequenceLengths().forEach(this::sequenceLength);
    page.raw("</table>\n");
  }

  private void sequenceLength(TokenReport.SequenceLength effect) {
    page.raw(
        "<tr><td>%s%s</td><td class=\"n\">%s</td><td class=\"n\">%s</td><td class=\"n\">%s</td></tr>\n"
            .formatted(
                number(effect.length()),
                effect.configured() ? " (configured)" : "",
                number(effect.fitting()),
                number(effect.tooLong()),
                number(effect.packedRows())));
  }

  private void bar(String name, long rows, long all) {
    page.raw("<tr>").cell(name).number(number(rows)).bar((double) rows / all).raw("</tr>\n");
  }

  private void extremes(String title, List<PrepareReport.Extreme> extremes) {
    page.raw("<details>");
    page.text("summary", title);
    for (PrepareReport.Extreme extreme : extremes) {
      page.text("p", "%s characters, %s".formatted(number(extreme.characters()), extreme.id()));
      page.text("pre", extreme.excerpt());
    }
    page.raw("</details>\n");
  }

  private void samples() {
    page.raw("<h2>Samples</h2>\n");
    for (PrepareReport.ShownSample sample : report.samples()) {
      page.raw("<details>");
      page.text("summary", sample.id());
      for (PrepareReport.ShownMessage message : sample.messages()) {
        page.raw("<div class=\"role\">").text("span", message.role()).raw("</div>");
        page.text("pre", message.content());
      }
      page.raw("</details>\n");
    }
  }

  private void files() {
    page.raw("<h2>Input</h2>\n<table>\n");
    page.raw("<tr><th>file</th><th class=\"n\">bytes</th><th class=\"n\">rows</th></tr>\n");
    for (PrepareReport.FileRows file : report.files()) {
      String state = file.version().isEmpty() ? "" : ", " + file.version();
      page.raw("<tr>").cell(file.file() + state).number(number(file.bytes()));
      page.number(number(file.rows())).raw("</tr>\n");
    }
    page.raw("</table>\n");
  }

  private static String number(long number) {
    return String.format(Locale.ROOT, "%,d", number).replace(',', '\u2009');
  }
}
