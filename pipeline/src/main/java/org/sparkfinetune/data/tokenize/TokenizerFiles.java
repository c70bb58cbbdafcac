package org.sparkfinetune.data.tokenize;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.MissingNode;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.io.Serializable;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.TreeMap;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.sparkfinetune.data.template.ChatTemplate.SpecialTokens;
import org.sparkfinetune.errors.ParserWords;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.store.LfsPointer;
import org.sparkfinetune.store.Store;

/**
 * The text of a tokenizer's files, so that it can be sent to machines that cannot see its folder.
 *
 * @param folder for messages
 * @param texts file name to content; {@code tokenizer.json} is always there
 */
public record TokenizerFiles(String folder, TreeMap<String, String> texts) implements Serializable {
  private static final String TOKENIZER = "tokenizer.json";
  private static final String TOKENIZER_CONFIG = "tokenizer_config.json";
  private static final String SPECIAL_TOKENS_MAP = "special_tokens_map.json";
  private static final String MODEL_CONFIG = "config.json";
  private static final String JINJA_TEMPLATE = "chat_template.jinja";
  private static final String JSON_TEMPLATE = "chat_template.json";
  private static final String MORE_TEMPLATES = "additional_chat_templates/";
  private static final String JINJA = ".jinja";
  private static final List<String> NAMES =
      List.of(
          TOKENIZER,
          TOKENIZER_CONFIG,
          SPECIAL_TOKENS_MAP,
          MODEL_CONFIG,
          JINJA_TEMPLATE,
          JSON_TEMPLATE);
  private static final ObjectMapper JSON = new ObjectMapper();

  /** All files that may say something about a tokenizer, the templates' as a pattern. */
  public static List<String> patterns() {
    List<String> patterns = new ArrayList<>(NAMES);
    patterns.add(MORE_TEMPLATES + "*" + JINJA);
    return patterns;
  }

  /** Paths of the named templates that a folder has beside its {@code chat_template.jinja}. */
  public static List<String> moreTemplates(Path folder, Store store) {
    Path templates = new Path(folder, MORE_TEMPLATES);
    try {
      return Arrays.stream(store.fileSystem(templates).listStatus(templates))
          .map(file -> file.getPath().getName())
          .filter(name -> name.endsWith(JINJA))
          .map(name -> MORE_TEMPLATES + name)
          .sorted()
          .toList();
    } catch (FileNotFoundException e) {
      return List.of();
    } catch (IOException e) {
      throw new UserError("'%s' cannot be read: %s".formatted(templates, e.getMessage()), e);
    }
  }

  /**
   * Reads what a Hugging Face folder holds of a tokenizer.
   *
   * @throws UserError if there is no readable {@code tokenizer.json}
   */
  public static TokenizerFiles load(Path folder, Store store) {
    TreeMap<String, String> texts = new TreeMap<>();
    try {
      FileSystem files = store.fileSystem(folder);
      List<String> names = new ArrayList<>(NAMES);
      names.addAll(moreTemplates(folder, store));
      for (String name : names) {
        read(files, new Path(folder, name)).ifPresent(text -> texts.put(name, text));
      }
    } catch (IOException e) {
      throw new UserError(
          "The tokenizer folder '%s' cannot be read: %s. Check model_id and tokenizer."
              .formatted(folder, e.getMessage()),
          e);
    }
    if (!texts.containsKey(TOKENIZER)) {
      throw new UserError(
          "There is no tokenizer.json in '%s'. Name a folder that has one by the key tokenizer, or convert the model's tokenizer with transformers (AutoTokenizer.from_pretrained(…).save_pretrained(…))."
              .formatted(folder));
    }
    return new TokenizerFiles(folder.toString(), texts);
  }

  private static Optional<String> read(FileSystem files, Path file) throws IOException {
    try (InputStream in = files.open(file)) {
      byte[] bytes = in.readAllBytes();
      if (LfsPointer.isAt(bytes)) {
        throw new UserError("'%s' %s.".formatted(file, LfsPointer.WHAT));
      }
      return Optional.of(new String(bytes, StandardCharsets.UTF_8));
    } catch (FileNotFoundException e) {
      return Optional.empty();
    }
  }

  String tokenizerJson() {
    return Optional.ofNullable(texts.get(TOKENIZER)).orElse("");
  }

  JsonNode json(String file) {
    String text = texts.get(file);
    if (text == null) {
      return MissingNode.getInstance();
    }
    try {
      return JSON.readTree(text);
    } catch (JsonProcessingException e) {
      throw new UserError(
          "'%s/%s' is not valid JSON (line %s): %s"
              .formatted(
                  folder,
                  file,
                  e.getLocation().getLineNr(),
                  ParserWords.of(e.getOriginalMessage())),
          e);
    }
  }

  /** BOS and EOS as the tokenizer's own configuration names them, else as the model's does. */
  public SpecialTokens specialTokens() {
    return new SpecialTokens(namedToken("bos"), namedToken("eos"), templateTokens());
  }

  Optional<String> padToken() {
    return namedToken("pad");
  }

  /** What fills rows: the pad token if there is one, else EOS, else 0. It is never trained. */
  public int padId() {
    OptionalInt pad = padToken().map(this::addedTokenId).orElse(OptionalInt.empty());
    return pad.orElseGet(
        () -> specialTokens().eos().map(this::addedTokenId).orElse(OptionalInt.empty()).orElse(0));
  }

  /** Reads up to the added tokens alone: the vocabulary behind them is megabytes. */
  private JsonNode addedTokens() {
    try (JsonParser parser = JSON.createParser(tokenizerJson())) {
      if (parser.nextToken() == JsonToken.START_OBJECT) {
        while (parser.nextToken() == JsonToken.FIELD_NAME) {
          boolean found = parser.currentName().equals("added_tokens");
          parser.nextToken();
          if (found) {
            return parser.readValueAsTree();
          }
          parser.skipChildren();
        }
      }
      return MissingNode.getInstance();
    } catch (IOException e) {
      throw new UserError(
          "'%s/%s' is not valid JSON: %s"
              .formatted(folder, TOKENIZER, ParserWords.of(String.valueOf(e.getMessage()))),
          e);
    }
  }

  private OptionalInt addedTokenId(String text) {
    for (JsonNode token : addedTokens()) {
      if (token.path("content").asText().equals(text)) {
        return OptionalInt.of(token.path("id").asInt());
      }
    }
    return OptionalInt.empty();
  }

  private Optional<String> namedToken(String which) {
    String key = which + "_token";
    return text(json(TOKENIZER_CONFIG).path(key))
        .or(() -> text(json(SPECIAL_TOKENS_MAP).path(key)))
        .or(() -> tokenWithId(json(MODEL_CONFIG).path(key + "_id")));
  }

  /** A token is written as its text, or as an object with the text as {@code content}. */
  private static Optional<String> text(JsonNode token) {
    JsonNode text = token.isObject() ? token.path("content") : token;
    return text.isTextual() ? Optional.of(text.asText()) : Optional.empty();
  }

  private Optional<String> tokenWithId(JsonNode ids) {
    JsonNode id = ids.isArray() ? ids.path(0) : ids;
    if (id.isInt()) {
      for (JsonNode token : addedTokens()) {
        if (token.path("id").asInt(-1) == id.asInt()) {
          return text(token);
        }
      }
    }
    return Optional.empty();
  }

  /** The template that is used where none is named. */
  static final String DEFAULT_TEMPLATE = "default";

  /**
   * The model's own chat templates by name, as transformers finds them: {@code chat_template.jinja}
   * is {@code default}, beside those of {@code additional_chat_templates/}; without such files
   * {@code chat_template} of {@code chat_template.json} or {@code tokenizer_config.json}, one
   * template or a list of named ones.
   */
  public Map<String, String> chatTemplates() {
    Map<String, String> templates = new TreeMap<>();
    texts.forEach(
        (file, text) -> {
          if (file.equals(JINJA_TEMPLATE)) {
            templates.put(DEFAULT_TEMPLATE, text);
          } else if (file.startsWith(MORE_TEMPLATES)) {
            String name = file.substring(MORE_TEMPLATES.length(), file.length() - JINJA.length());
            templates.put(name, text);
          }
        });
    for (String file : List.of(JSON_TEMPLATE, TOKENIZER_CONFIG)) {
      if (templates.isEmpty()) {
        templates.putAll(templates(json(file).path("chat_template")));
      }
    }
    return templates;
  }

  private static Map<String, String> templates(JsonNode template) {
    Map<String, String> templates = new TreeMap<>();
    text(template).ifPresent(text -> templates.put(DEFAULT_TEMPLATE, text));
    if (template.isArray()) {
      for (JsonNode named : template) {
        if (named.path("name").isTextual() && named.path("template").isTextual()) {
          templates.put(named.path("name").textValue(), named.path("template").textValue());
        }
      }
    }
    return templates;
  }

  /** All tokens that a template can see by name: {@code bos_token}, {@code pad_token} and so on. */
  public Map<String, String> templateTokens() {
    Map<String, String> tokens = new TreeMap<>();
    for (String which : List.of("bos", "eos", "unk", "sep", "pad", "cls", "mask")) {
      namedToken(which).ifPresent(token -> tokens.put(which + "_token", token));
    }
    return tokens;
  }

  /** A change of any of these gives other ids. */
  public Map<String, String> shaping() {
    SpecialTokens tokens = specialTokens();
    return new TreeMap<>(
        Map.of(
            TOKENIZER,
            tokenizerJson(),
            "bos",
            tokens.bos().orElse(""),
            "eos",
            tokens.eos().orElse(""),
            "pad",
            padToken().orElse(""),
            "named",
            tokens.byName().toString()));
  }
}
