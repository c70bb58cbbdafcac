package org.sparkfinetune.prepare;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.PropertyNamingStrategies;
import com.fasterxml.jackson.databind.json.JsonMapper;
import org.sparkfinetune.errors.Bug;

/** Writes the report twice: for programs and for people. */
final class ReportFiles {
  static final String JSON = "report.json";
  static final String HTML = "report.html";

  private static final ObjectMapper MAPPER =
      JsonMapper.builder().propertyNamingStrategy(PropertyNamingStrategies.SNAKE_CASE).build();

  private final PrepareReport report;

  ReportFiles(PrepareReport report) {
    this.report = report;
  }

  void write(OutputFolder output) {
    output.write(JSON, json());
    output.write(HTML, new ReportPage(report).html());
  }

  private String json() {
    try {
      return MAPPER.writerWithDefaultPrettyPrinter().writeValueAsString(report) + "\n";
    } catch (JsonProcessingException e) {
      throw new Bug("The report could not be written as JSON.", e);
    }
  }
}
