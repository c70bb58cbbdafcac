package org.sparkfinetune.data.tokenize;

import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.MissingNode;
import com.fasterxml.jackson.databind.node.NullNode;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.util.Set;
import org.sparkfinetune.errors.Bug;
import org.sparkfinetune.errors.ParserWords;
import org.sparkfinetune.errors.UserError;

/**
 * What Java has to know of {@code tokenizer.json}, and the file without what we do not want. Read
 * as a stream: a vocabulary is megabytes, and every executor waits for it.
 */
final class TokenizerJson {
  private static final ObjectMapper JSON = new ObjectMapper();

  /** Post-processors only add tokens and cut white space off spans. */
  private static final Set<String> UNWANTED = Set.of("post_processor", "truncation", "padding");

  private final ByteArrayOutputStream edited = new ByteArrayOutputStream(1 << 20);
  private JsonNode addedTokens = MissingNode.getInstance();
  private JsonNode normalizer = NullNode.getInstance();
  private JsonNode preTokenizer = NullNode.getInstance();
  private String modelType = "";
  private String unknownToken = "";
  private boolean hasDropout = false;
  private int largestId = -1;
  private boolean hasModel = false;

  private TokenizerJson() {}

  static TokenizerJson read(TokenizerFiles files) {
    TokenizerJson json = new TokenizerJson();
    try (JsonParser in = JSON.createParser(files.tokenizerJson());
        JsonGenerator out = JSON.createGenerator(json.edited)) {
      if (in.nextToken() == JsonToken.START_OBJECT) {
        json.copy(in, out);
      }
    } catch (JsonProcessingException e) {
      throw new UserError(
          "'%s/tokenizer.json' is not valid JSON (line %s): %s"
              .formatted(
                  files.folder(),
                  e.getLocation().getLineNr(),
                  ParserWords.of(e.getOriginalMessage())),
          e);
    } catch (IOException e) {
      throw new Bug("A text in memory cannot be read.", e);
    }
    if (!json.hasModel) {
      throw new UserError(
          "'%s/tokenizer.json' is no tokenizer: it has no \"model\". Save it again with transformers, or name another tokenizer."
              .formatted(files.folder()));
    }
    return json;
  }

  private void copy(JsonParser in, JsonGenerator out) throws IOException {
    out.writeStartObject();
    while (in.nextToken() == JsonToken.FIELD_NAME) {
      String field = in.currentName();
      in.nextToken();
      if (UNWANTED.contains(field)) {
        in.skipChildren();
        out.writeNullField(field);
      } else {
        out.writeFieldName(field);
        copyField(field, in, out);
      }
    }
    out.writeEndObject();
  }

  private void copyField(String field, JsonParser in, JsonGenerator out) throws IOException {
    if (field.equals("added_tokens")) {
      addedTokens = in.readValueAsTree();
      out.writeTree(addedTokens);
      addedTokens.forEach(token -> largestId = Math.max(largestId, token.path("id").asInt()));
    } else if (field.equals("normalizer")) {
      normalizer = in.readValueAsTree();
      out.writeTree(normalizer);
    } else if (field.equals("pre_tokenizer")) {
      preTokenizer = in.readValueAsTree();
      out.writeTree(preTokenizer);
    } else if (field.equals("model") && in.currentToken() == JsonToken.START_OBJECT) {
      hasModel = true;
      copyModel(in, out);
    } else {
      out.copyCurrentStructure(in);
    }
  }

  private void copyModel(JsonParser in, JsonGenerator out) throws IOException {
    out.writeStartObject();
    while (in.nextToken() == JsonToken.FIELD_NAME) {
      String field = in.currentName();
      out.writeFieldName(field);
      JsonToken value = in.nextToken();
      if (field.equals("vocab") && value == JsonToken.START_OBJECT) {
        copyVocabulary(in, out);
      } else if (field.equals("vocab") && value == JsonToken.START_ARRAY) {
        copyList(in, out);
      } else {
        switch (field) {
          case "type" -> modelType = in.getValueAsString("");
          case "unk_token" -> unknownToken = in.getValueAsString("");
          case "dropout" -> hasDropout = value != JsonToken.VALUE_NULL;
          default -> {}
        }
        out.copyCurrentStructure(in);
      }
    }
    out.writeEndObject();
  }

  private void copyVocabulary(JsonParser in, JsonGenerator out) throws IOException {
    out.writeStartObject();
    while (in.nextToken() == JsonToken.FIELD_NAME) {
      String token = in.currentName();
      int id = in.nextIntValue(-1);
      largestId = Math.max(largestId, id);
      out.writeNumberField(token, id);
    }
    out.writeEndObject();
  }

  /** A vocabulary of scores, whose ids are places in a list. */
  private void copyList(JsonParser in, JsonGenerator out) throws IOException {
    out.writeStartArray();
    int id = 0;
    while (in.nextToken() != JsonToken.END_ARRAY) {
      largestId = Math.max(largestId, id++);
      out.copyCurrentStructure(in);
    }
    out.writeEndArray();
  }

  byte[] edited() {
    return edited.toByteArray();
  }

  JsonNode addedTokens() {
    return addedTokens;
  }

  /** Null if there is none. */
  JsonNode normalizer() {
    return normalizer;
  }

  /** Null if there is none. */
  JsonNode preTokenizer() {
    return preTokenizer;
  }

  /** Empty if it is not said. */
  String modelType() {
    return modelType;
  }

  /** Whether words may become other ids from time to time. */
  boolean hasDropout() {
    return hasDropout;
  }

  String unknownToken() {
    return unknownToken;
  }

  int largestId() {
    return largestId;
  }

  /**
   * A special token of {@code tokenizer.json}.
   *
   * @param swallowsSpaceBefore {@code lstrip}: white space before it belongs to it
   * @param swallowsSpaceAfter {@code rstrip}
   */
  record SpecialToken(
      int id, String text, boolean swallowsSpaceBefore, boolean swallowsSpaceAfter) {}
}
