package org.sparkfinetune.jobs;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import org.sparkfinetune.config.GenerateConfig;
import org.sparkfinetune.data.conversation.Conversation;
import org.sparkfinetune.data.conversation.Conversation.Message;
import org.sparkfinetune.data.conversation.Conversation.Role;
import org.sparkfinetune.data.conversation.MessageJson;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.inference.generate.TextGenerator;
import org.sparkfinetune.inference.generate.TextGenerator.Completion;
import org.sparkfinetune.inference.generate.TextGenerator.TextListener;
import org.sparkfinetune.inference.generate.TextGenerator.TextPrompt;
import org.sparkfinetune.jobs.Jobs.OutputForm;
import org.sparkfinetune.store.Store;

/** {@code generate} for one reader: text appears as it is made. */
final class Terminal {
  private static final ObjectMapper JSON = new ObjectMapper();

  private final TextGenerator generator;
  private final BufferedReader in;
  private final PrintWriter out;
  private final Store store;

  Terminal(TextGenerator generator, BufferedReader in, PrintWriter out, Store store) {
    this.store = store;
    this.generator = generator;
    this.in = in;
    this.out = out;
  }

  void run(GenerateConfig.Task task, OutputForm form) {
    if (task instanceof GenerateConfig.Continue text) {
      print(new TextPrompt.Plain(0, text.prompt()), form);
    } else if (task instanceof GenerateConfig.Answer answer) {
      print(new TextPrompt.Chat(0, conversation(answer)), form);
    } else if (task instanceof GenerateConfig.Chat chat) {
      converse(chat.system());
    }
  }

  private Completion print(TextPrompt prompt, OutputForm form) {
    Completion made =
        generator
            .complete(List.of(prompt), form == OutputForm.TEXT ? this::show : TextListener.NONE)
            .get(0);
    if (form == OutputForm.JSON) {
      ObjectNode node = JSON.createObjectNode();
      node.put("text", made.text());
      node.put("prompt_tokens", made.promptTokens());
      node.put("tokens", made.tokens());
      node.put("finish_reason", made.finish().name().toLowerCase(Locale.ROOT));
      out.println(node);
    } else {
      out.println();
    }
    out.flush();
    return made;
  }

  private void show(int prompt, String piece) {
    out.print(piece);
    out.flush();
  }

  private void converse(Optional<String> system) {
    List<Message> messages = new ArrayList<>();
    system.ifPresent(text -> messages.add(new Message(Role.SYSTEM, text)));
    for (String line = ask(); !line.isBlank(); line = ask()) {
      messages.add(new Message(Role.USER, line));
      Completion made =
          print(new TextPrompt.Chat(messages.size(), new Conversation(messages)), OutputForm.TEXT);
      messages.add(new Message(Role.ASSISTANT, made.text()));
    }
  }

  private String ask() {
    out.print("> ");
    out.flush();
    try {
      String line = in.readLine();
      return line == null ? "" : line;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private Conversation conversation(GenerateConfig.Answer answer) {
    List<Message> messages = new ArrayList<>();
    answer.system().ifPresent(text -> messages.add(new Message(Role.SYSTEM, text)));
    if (!answer.messages().strip().startsWith("[")) {
      messages.add(new Message(Role.USER, answer.messages()));
    } else {
      for (JsonNode message : json("messages", answer.messages())) {
        messages.add(MessageJson.message(message, "messages[" + messages.size() + "]"));
      }
    }
    ObjectNode inputs = JSON.createObjectNode();
    put(inputs, "tools", answer.tools());
    put(inputs, "documents", answer.documents());
    return new Conversation(messages, MessageJson.inputs(inputs));
  }

  private void put(ObjectNode inputs, String key, Optional<String> file) {
    file.ifPresent(path -> inputs.set(key, json(key, PipelineJobs.text(key, path, store))));
  }

  private static JsonNode json(String key, String text) {
    try {
      return JSON.readTree(text);
    } catch (JsonProcessingException e) {
      throw new UserError(key + " is not valid JSON: " + e.getOriginalMessage(), e);
    }
  }
}
