package org.sparkfinetune.jobs;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.PrintWriter;
import java.time.LocalDateTime;
import java.time.format.DateTimeParseException;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.Supplier;
import org.apache.hadoop.fs.Path;
import org.jspecify.annotations.Nullable;
import org.sparkfinetune.data.template.ChatTemplate;
import org.sparkfinetune.data.tokenize.ChatTemplates;
import org.sparkfinetune.data.tokenize.TokenizerFiles;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.model.hub.HubFolder;
import org.sparkfinetune.model.hub.HubId;
import org.sparkfinetune.model.hub.HubRepository.HubKind;
import org.sparkfinetune.store.Store;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** Conversations as they are, through a template: to lay beside what transformers writes. */
@Command(
    name = "render",
    description = {
      "Prints what a chat template makes of conversations: for each line of the input a JSON line,",
      "{\"text\": …} or {\"error\": …}. A line is a list of messages, or {messages, tools,"
          + " documents},",
      "and goes to the template unchanged. Starts no Spark.",
      "",
      "  render --tokenizer MODEL --input conversations.jsonl --add_generation_prompt true"
    })
final class RenderCommand implements Runnable {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final TypeReference<Map<String, Object>> VARIABLES = new TypeReference<>() {};

  private final Supplier<Store> stores;
  @Spec private CommandSpec spec = CommandSpec.create();

  @Option(
      names = {"--chat_template", "--chat-template"},
      paramLabel = "FILE|NAME",
      description =
          "reference, llama3, chatml, tokenizer, tokenizer:NAME, a file, or Jinja itself. Default:"
              + " the tokenizer's.")
  private Optional<String> chatTemplate = Optional.empty();

  @Option(
      names = "--tokenizer",
      paramLabel = "MODEL",
      description =
          "A folder, a Hadoop URI or a hub id: whose template and special tokens are used.")
  private Optional<String> tokenizer = Optional.empty();

  @Option(
      names = "--input",
      required = true,
      paramLabel = "FILE.jsonl",
      description = "The conversations, one a line.")
  private String input = "";

  @Option(
      names = {"--add_generation_prompt", "--add-generation-prompt"},
      arity = "0..1",
      fallbackValue = "true",
      paramLabel = "true|false",
      description = "Whether the text ends where the assistant is to speak. Default: false.")
  private boolean addGenerationPrompt = false;

  @Option(
      names = "--tools",
      paramLabel = "FILE.json",
      description = "A list of tools, for lines that have none of their own.")
  private Optional<String> tools = Optional.empty();

  @Option(
      names = "--now",
      paramLabel = "TIME",
      description = "What strftime_now tells, as 2024-07-26T12:00:00. Default: now.")
  private Optional<String> now = Optional.empty();

  @Option(
      names = {"--special_tokens", "--special-tokens"},
      paramLabel = "JSON",
      description = "Special tokens by name, as {\"bos_token\": \"<s>\"}, before the tokenizer's.")
  private Optional<String> specialTokens = Optional.empty();

  RenderCommand(Supplier<Store> stores) {
    this.stores = stores;
  }

  @Override
  public void run() {
    Store store = stores.get();
    Optional<TokenizerFiles> files = tokenizer.map(model -> tokenizer(model, store));
    ChatTemplate template = template(files, store);
    Map<String, Object> common =
        new HashMap<>(files.map(TokenizerFiles::templateTokens).orElse(Map.of()));
    specialTokens.ifPresent(json -> common.putAll(object("special_tokens", json)));
    common.put("add_generation_prompt", addGenerationPrompt);
    Optional<Object> shared =
        tools.map(file -> value("tools", PipelineJobs.text("tools", file, store)));
    PrintWriter out = spec.commandLine().getOut();
    PipelineJobs.text("input", input, store)
        .lines()
        .filter(line -> !line.isBlank())
        .map(line -> rendered(template, variables(line, common, shared)))
        .forEach(out::println);
  }

  private static TokenizerFiles tokenizer(String model, Store store) {
    Path folder =
        HubFolder.locate(model, HubId.MAIN, HubKind.MODEL, TokenizerFiles.patterns(), store);
    return TokenizerFiles.load(folder, store);
  }

  private ChatTemplate template(Optional<TokenizerFiles> files, Store store) {
    if (chatTemplate.isEmpty() && files.isEmpty()) {
      throw new UserError("render needs --chat_template or --tokenizer.");
    }
    // Without a tokenizer its files are those of nobody: no template and no tokens.
    TokenizerFiles own = files.orElseGet(() -> new TokenizerFiles("none", new TreeMap<>()));
    ChatTemplate chosen = ChatTemplates.choose(chatTemplate, own, store);
    return now.map(time -> chosen.at(time(time))).orElse(chosen);
  }

  private static LocalDateTime time(String text) {
    try {
      return LocalDateTime.parse(text);
    } catch (DateTimeParseException e) {
      throw new UserError(
          "now is '%s', but a time is written as 2024-07-26T12:00:00.".formatted(text), e);
    }
  }

  private Map<String, @Nullable Object> variables(
      String line, Map<String, Object> common, Optional<Object> shared) {
    Map<String, @Nullable Object> variables = new HashMap<>(common);
    variables.put("tools", shared.orElse(null));
    variables.put("documents", null);
    Object value = value("input", line);
    if (value instanceof Map<?, ?> conversation) {
      conversation.forEach((name, given) -> variables.put(String.valueOf(name), given));
    } else {
      variables.put("messages", value);
    }
    return variables;
  }

  private static ObjectNode answer(String name, String text) {
    return JSON.createObjectNode().put(name, text);
  }

  private static String rendered(ChatTemplate template, Map<String, @Nullable Object> variables) {
    try {
      return answer("text", template.render(variables)).toString();
    } catch (UserError e) {
      return answer("error", String.valueOf(e.getMessage())).toString();
    }
  }

  private static Object value(String key, String json) {
    try {
      return JSON.readValue(json, Object.class);
    } catch (JsonProcessingException e) {
      throw new UserError("%s is not valid JSON: %s".formatted(key, e.getOriginalMessage()), e);
    }
  }

  private static Map<String, Object> object(String key, String json) {
    try {
      return JSON.readValue(json, VARIABLES);
    } catch (JsonProcessingException e) {
      throw new UserError("%s is no JSON object: %s".formatted(key, e.getOriginalMessage()), e);
    }
  }
}
