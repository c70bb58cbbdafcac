package org.sparkfinetune.model.quant;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.util.Arrays;
import java.util.Iterator;
import java.util.Optional;
import java.util.Set;
import org.sparkfinetune.errors.Bug;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.model.safetensors.DType;

/**
 * The JSON in {@code quant_state.bitsandbytes__nf4}.
 *
 * @param dtype of the weight before it was quantised
 * @param nestedOffset present with double quantisation
 */
@SuppressWarnings("ArrayRecordComponent")
record QuantState(DType dtype, long[] shape, Optional<Float> nestedOffset) {
  private static final ObjectMapper JSON =
      JsonMapper.builder()
          .enable(JsonParser.Feature.STRICT_DUPLICATE_DETECTION)
          .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
          .build();

  private static final Set<String> KEYS =
      Set.of(
          "quant_type",
          "blocksize",
          "dtype",
          "shape",
          "nested_blocksize",
          "nested_dtype",
          "nested_offset");

  private static final int MAX_DIMENSIONS = 8;

  static QuantState parse(String where, byte[] bytes) {
    JsonNode json;
    try {
      json = JSON.readTree(bytes);
    } catch (IOException e) {
      throw new UserError(where + " is not JSON.", e);
    }
    if (json == null || !json.isObject()) {
      throw new UserError(where + " is no JSON object.");
    }
    for (Iterator<String> keys = json.fieldNames(); keys.hasNext(); ) {
      String key = keys.next();
      if (!KEYS.contains(key)) {
        throw wrong(where, key, json.get(key), "one of the keys " + KEYS);
      }
    }
    expect(where, json, "quant_type", "\"nf4\"");
    expect(where, json, "blocksize", String.valueOf(Nf4Codec.BLOCK));
    return new QuantState(dtype(where, json), shape(where, json), nestedOffset(where, json));
  }

  private static DType dtype(String where, JsonNode json) {
    return switch (json.path("dtype").asText()) {
      case "bfloat16" -> DType.BF16;
      case "float16" -> DType.F16;
      case "float32" -> DType.F32;
      default -> throw wrong(where, "dtype", json.path("dtype"), "bfloat16, float16 or float32");
    };
  }

  private static long[] shape(String where, JsonNode json) {
    JsonNode shape = json.path("shape");
    long[] sizes = new long[Math.min(shape.size(), MAX_DIMENSIONS)];
    long elements = 1;
    for (int i = 0; i < sizes.length; i++) {
      long size =
          shape.get(i).isIntegralNumber() && shape.get(i).canConvertToLong()
              ? shape.get(i).longValue()
              : 0;
      if (size <= 0 || elements > Long.MAX_VALUE / size) {
        throw wrong(where, "shape", shape, "a list of positive sizes");
      }
      sizes[i] = size;
      elements *= size;
    }
    if (!shape.isArray() || shape.isEmpty() || shape.size() > MAX_DIMENSIONS) {
      throw wrong(where, "shape", shape, "a list of positive sizes");
    }
    return sizes;
  }

  private static Optional<Float> nestedOffset(String where, JsonNode json) {
    if (!json.has("nested_offset")) {
      return Optional.empty();
    }
    expect(where, json, "nested_blocksize", String.valueOf(NestedAbsmax.GROUP));
    expect(where, json, "nested_dtype", "\"float32\"");
    JsonNode offset = json.get("nested_offset");
    if (!offset.isNumber() || !Float.isFinite(offset.floatValue())) {
      throw wrong(where, "nested_offset", offset, "a finite number");
    }
    return Optional.of(offset.floatValue());
  }

  private static void expect(String where, JsonNode json, String key, String value) {
    if (!json.path(key).toString().equals(value)) {
      throw wrong(where, key, json.path(key), value);
    }
  }

  private static UserError wrong(String where, String key, JsonNode found, String expected) {
    String shown = found.isMissingNode() ? "missing" : found.toString();
    return new UserError(
        "%s: %s is %s, supported is %s. Use a checkpoint quantised that way, or the original weights."
            .formatted(
                where,
                key.substring(0, Math.min(40, key.length())),
                shown.substring(0, Math.min(80, shown.length())),
                expected));
  }

  /** In bitsandbytes' own order and spacing. */
  String json() {
    String nested =
        nestedOffset
            .map(
                offset ->
                    ", \"nested_blocksize\": %s, \"nested_dtype\": \"float32\", \"nested_offset\": %s"
                        .formatted(NestedAbsmax.GROUP, (double) offset))
            .orElse("");
    return "{\"quant_type\": \"nf4\", \"blocksize\": %s, \"dtype\": \"%s\", \"shape\": %s%s}"
        .formatted(Nf4Codec.BLOCK, dtypeName(), Arrays.toString(shape), nested);
  }

  private String dtypeName() {
    return switch (dtype) {
      case BF16 -> "bfloat16";
      case F16 -> "float16";
      case F32 -> "float32";
      case F64, I64, I32, I16, I8, U8, BOOL ->
          throw new Bug("A weight of type " + dtype + " was quantised.");
    };
  }
}
