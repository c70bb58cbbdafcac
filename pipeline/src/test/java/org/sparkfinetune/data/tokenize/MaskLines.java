package org.sparkfinetune.data.tokenize;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.hadoop.conf.Configuration;
import org.sparkfinetune.data.conversation.Conversation;
import org.sparkfinetune.data.conversation.Conversation.Message;
import org.sparkfinetune.data.conversation.MessageJson;
import org.sparkfinetune.data.template.ChatTemplate;
import org.sparkfinetune.data.tokenize.ConversationTokenizer.TokenizedSample;
import org.sparkfinetune.data.tokenize.LossExtent.LossTarget;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.store.Store;

/**
 * For src/test/python/trl_masks.py: reads JSON lines {messages, tools} and writes, for each, {ids,
 * trained} or {error}. Arguments: the folder of a tokenizer, and the file of a template.
 */
public final class MaskLines {
  private MaskLines() {}

  public static void main(String[] args) throws IOException {
    ObjectMapper mapper = new ObjectMapper();
    BufferedReader in =
        new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
    Store store = new Store(new Configuration());
    TokenizerFiles files = TokenizerFiles.load(new org.apache.hadoop.fs.Path(args[0]), store);
    ChatTemplate template = ChatTemplate.of(args[1], Files.readString(Path.of(args[1])));
    try (LlamaTokenizer tokenizer = LlamaTokenizer.of(files)) {
      ConversationTokenizer tokenizing =
          new ConversationTokenizer(tokenizer, template, LossTarget.ASSISTANT_TURNS);
      for (String line = in.readLine(); line != null; line = in.readLine()) {
        out.println(mapper.writeValueAsString(answer(tokenizing, mapper.readTree(line))));
      }
    }
    out.flush();
  }

  private static Map<String, Object> answer(ConversationTokenizer tokenizing, JsonNode row) {
    try {
      List<Message> messages = new ArrayList<>();
      for (JsonNode message : row.get("messages")) {
        messages.add(MessageJson.message(message, "messages[" + messages.size() + "]"));
      }
      TokenizedSample sample =
          tokenizing.tokenize(new Conversation(messages, MessageJson.inputs((ObjectNode) row)));
      return Map.of("ids", sample.ids(), "trained", sample.trained());
    } catch (UserError e) {
      return Map.of("error", String.valueOf(e.getMessage()));
    }
  }
}
