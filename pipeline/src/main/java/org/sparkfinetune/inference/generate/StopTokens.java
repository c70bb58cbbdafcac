package org.sparkfinetune.inference.generate;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.Path;
import org.sparkfinetune.data.tokenize.LlamaTokenizer;
import org.sparkfinetune.errors.ParserWords;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.store.Store;

/** The tokens that end a text: those the model names, and those that end a turn in a template. */
public final class StopTokens {
  private static final List<String> TURN_ENDS =
      List.of("<|eot_id|>", "<|im_end|>", "<|end_of_text|>", "<|endoftext|>", "<|eom_id|>");

  private StopTokens() {}

  /**
   * EOS of the tokenizer, {@code eos_token_id} of {@code generation_config.json} and {@code
   * config.json}, and the known ends of turns that the tokenizer has.
   */
  public static Set<Integer> of(LlamaTokenizer tokenizer, Path model, Store store) {
    Set<Integer> ids = new TreeSet<>();
    tokenizer.eosId().ifPresent(ids::add);
    TURN_ENDS.forEach(text -> tokenizer.idOf(text).ifPresent(ids::add));
    for (String file : List.of("generation_config.json", "config.json")) {
      JsonNode said = json(new Path(model, file), store);
      for (JsonNode part : List.of(said, said.path("text_config"))) {
        JsonNode named = part.path("eos_token_id");
        if (named.isInt()) {
          ids.add(named.intValue());
        }
        named.forEach(id -> ids.add(id.intValue()));
      }
    }
    return ids;
  }

  private static JsonNode json(Path file, Store store) {
    try (FSDataInputStream in = store.fileSystem(file).open(file)) {
      return new ObjectMapper().readTree(new String(in.readAllBytes(), StandardCharsets.UTF_8));
    } catch (FileNotFoundException e) {
      return new ObjectMapper().createObjectNode();
    } catch (JsonProcessingException e) {
      throw new UserError(
          file + " is not valid JSON: " + ParserWords.of(e.getOriginalMessage()), e);
    } catch (IOException e) {
      throw new UserError(file + " cannot be read: " + e.getMessage(), e);
    }
  }
}
