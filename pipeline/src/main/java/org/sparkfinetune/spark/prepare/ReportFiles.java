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
import java.util.Optional;
import org.sparkfinetune.errors.Bug;

/** Writes the report twice: for programs and for people. */
final class ReportFiles {
  static final String JSON = "report.json";
  static final String HTML = "report.html";

  private static final ObjectMapper MAPPER =
      JsonMapper.builder()
          .addModule(optionals())
          .propertyNamingStrategy(PropertyNamingStrategies.SNAKE_CASE)
          .build();

  private final PrepareReport report;

  ReportFiles(PrepareReport report) {
    this.report = report;
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
