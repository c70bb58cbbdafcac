package org.sparkfinetune.model.safetensors;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonFactoryBuilder;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.stream.LongStream;
import org.jspecify.annotations.Nullable;
import org.sparkfinetune.errors.ParserWords;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.model.safetensors.TensorSpec.Shapes;

/**
 * The JSON of a header, token by token: a tree would cost many times the header's size, and a tree
 * parser forgets which keys came twice.
 */
final class HeaderJson {
  /** Names come from the file: they must neither fill a table shared by the JVM nor be interned. */
  private static final JsonFactory FACTORY =
      new JsonFactoryBuilder()
          .configure(JsonFactory.Feature.CANONICALIZE_FIELD_NAMES, false)
          .configure(JsonFactory.Feature.INTERN_FIELD_NAMES, false)
          .build();

  private static final int MAX_DIMENSIONS = 64;

  private final String where;
  private final JsonParser json;
  private final List<TensorInfo> tensors = new ArrayList<>();
  private final Set<String> names = new HashSet<>();
  private final Map<String, String> metadata = new LinkedHashMap<>();

  private HeaderJson(String where, JsonParser json) {
    this.where = where;
    this.json = json;
  }

  List<TensorInfo> tensors() {
    return tensors;
  }

  Map<String, String> metadata() {
    return metadata;
  }

  static HeaderJson parse(String where, ByteBuffer bytes) {
    if (!bytes.hasRemaining() || bytes.get(bytes.position()) != '{') {
      throw new UserError(
          where + " has a header that does not begin with '{': no safetensors file.");
    }
    // Decoded here and strictly: left to itself the JSON parser guesses UTF-16 from zero bytes.
    try (JsonParser parser =
        FACTORY.createParser(StandardCharsets.UTF_8.newDecoder().decode(bytes).toString())) {
      HeaderJson header = new HeaderJson(where, parser);
      header.document();
      return header;
    } catch (CharacterCodingException e) {
      throw new UserError(where + " has a header that is not UTF-8.", e);
    } catch (JsonProcessingException e) {
      throw new UserError(
          where
              + " has a header that is not JSON, at character "
              + (e.getLocation() == null ? "?" : e.getLocation().getCharOffset())
              + ": "
              + Names.quoted(ParserWords.of(e.getOriginalMessage())),
          e);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private void document() throws IOException {
    expect(json.nextToken(), JsonToken.START_OBJECT, "the header");
    while (json.nextToken() != JsonToken.END_OBJECT) {
      String name = json.getCurrentName();
      if (!names.add(name)) {
        throw wrong(name, "appears twice");
      }
      json.nextToken();
      if (name.equals(Header.METADATA)) {
        readMetadata();
      } else {
        tensors.add(tensor(name));
      }
    }
    if (json.nextToken() != null) {
      throw new UserError(where + " has something after its header's closing brace.");
    }
  }

  private void readMetadata() throws IOException {
    expect(json.currentToken(), JsonToken.START_OBJECT, Header.METADATA);
    while (json.nextToken() != JsonToken.END_OBJECT) {
      String key = json.getCurrentName();
      expect(json.nextToken(), JsonToken.VALUE_STRING, Header.METADATA + "." + key);
      if (metadata.put(key, json.getText()) != null) {
        throw wrong(Header.METADATA, "has the key " + Names.quoted(key) + " twice");
      }
    }
  }

  private TensorInfo tensor(String name) throws IOException {
    expect(json.currentToken(), JsonToken.START_OBJECT, name);
    Optional<DType> dtype = Optional.empty();
    Optional<long[]> shape = Optional.empty();
    Optional<long[]> offsets = Optional.empty();
    Set<String> seen = new HashSet<>();
    while (json.nextToken() != JsonToken.END_OBJECT) {
      String field = json.getCurrentName();
      if (!seen.add(field)) {
        throw wrong(name, "has " + Names.quoted(field) + " twice");
      }
      json.nextToken();
      switch (field) {
        case "dtype" -> dtype = Optional.of(dtype(name));
        case "shape" -> shape = Optional.of(numbers(name, field));
        case "data_offsets" -> offsets = Optional.of(numbers(name, field));
        default ->
            throw wrong(
                name,
                "has the key " + Names.quoted(field) + "; known are dtype, shape, data_offsets");
      }
    }
    return checked(
        name,
        dtype.orElseThrow(() -> wrong(name, "has no dtype")),
        shape.orElseThrow(() -> wrong(name, "has no shape")),
        offsets.orElseThrow(() -> wrong(name, "has no data_offsets")));
  }

  private TensorInfo checked(String name, DType dtype, long[] shape, long[] offsets) {
    if (offsets.length != 2 || offsets[0] > offsets[1]) {
      throw wrong(
          name,
          "has the data_offsets " + show(offsets) + ", expected [begin, end] with begin <= end");
    }
    OptionalLong elements = Shapes.elements(shape);
    if (elements.isEmpty() || elements.getAsLong() > Long.MAX_VALUE / dtype.bytes()) {
      throw wrong(name, "has the shape " + show(shape) + ", too large to exist");
    }
    long expected = elements.getAsLong() * dtype.bytes();
    if (offsets[1] - offsets[0] != expected) {
      throw wrong(
          name,
          "has %s bytes (data_offsets %s), but %s %s needs %s"
              .formatted(offsets[1] - offsets[0], show(offsets), dtype, show(shape), expected));
    }
    return new TensorInfo(name, dtype, shape, offsets[0], offsets[1]);
  }

  private DType dtype(String name) throws IOException {
    expect(json.currentToken(), JsonToken.VALUE_STRING, name + ".dtype");
    String dtype = json.getText();
    return DType.parse(dtype)
        .orElseThrow(
            () ->
                wrong(
                    name,
                    "has the dtype "
                        + Names.quoted(dtype)
                        + "; supported are "
                        + Arrays.toString(DType.values())));
  }

  private long[] numbers(String name, String field) throws IOException {
    expect(json.currentToken(), JsonToken.START_ARRAY, name + "." + field);
    LongStream.Builder numbers = LongStream.builder();
    for (int i = 0; json.nextToken() != JsonToken.END_ARRAY; i++) {
      expect(json.currentToken(), JsonToken.VALUE_NUMBER_INT, name + "." + field);
      if (i == MAX_DIMENSIONS) {
        throw wrong(name, "has more than " + MAX_DIMENSIONS + " numbers in " + field);
      }
      if (json.getNumberType() == JsonParser.NumberType.BIG_INTEGER || json.getLongValue() < 0) {
        throw wrong(
            name,
            "has " + Names.quoted(json.getText()) + " in " + field + ", expected 0 to 2^63-1");
      }
      numbers.add(json.getLongValue());
    }
    return numbers.build().toArray();
  }

  private void expect(@Nullable JsonToken found, JsonToken expected, String name) {
    if (found != expected) {
      throw wrong(name, "holds " + found + ", expected " + expected);
    }
  }

  private UserError wrong(String name, String what) {
    return new UserError(where + ": " + Names.quoted(name) + " " + what + ".");
  }

  /** At most 64 numbers ever get here. */
  private static String show(long[] numbers) {
    return Arrays.toString(numbers);
  }
}
