package org.sparkfinetune.model.safetensors;

import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.json.JsonWriteFeature;
import com.fasterxml.jackson.core.util.DefaultIndenter;
import com.fasterxml.jackson.core.util.DefaultPrettyPrinter;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.io.UncheckedIOException;

/**
 * JSON laid out as Python's {@code json.dumps(value, indent=2, sort_keys=True)} does, which is how
 * Hugging Face's libraries write the files beside their weights: ours then compare equal to theirs.
 */
public final class PythonJson {
  private static final ObjectMapper JSON =
      JsonMapper.builder()
          .enable(JsonWriteFeature.ESCAPE_NON_ASCII)
          .enable(SerializationFeature.ORDER_MAP_ENTRIES_BY_KEYS)
          .build();

  private PythonJson() {}

  /**
   * Writes a value, without a line break at its end.
   *
   * @param value maps, lists, strings, numbers and booleans
   */
  public static String write(Object value) {
    try {
      return JSON.writer(new Layout()).writeValueAsString(value);
    } catch (JsonProcessingException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static final class Layout extends DefaultPrettyPrinter {
    private static final long serialVersionUID = 1L;

    Layout() {
      indentObjectsWith(new DefaultIndenter("  ", "\n"));
      indentArraysWith(new DefaultIndenter("  ", "\n"));
    }

    @Override
    public DefaultPrettyPrinter createInstance() {
      return new Layout();
    }

    @Override
    public void writeObjectFieldValueSeparator(JsonGenerator json) throws IOException {
      json.writeRaw(": ");
    }

    @Override
    public void writeEndObject(JsonGenerator json, int entries) throws IOException {
      if (entries > 0) {
        super.writeEndObject(json, entries);
      } else {
        _nesting--;
        json.writeRaw('}');
      }
    }

    @Override
    public void writeEndArray(JsonGenerator json, int values) throws IOException {
      if (values > 0) {
        super.writeEndArray(json, values);
      } else {
        _nesting--;
        json.writeRaw(']');
      }
    }
  }
}
