package org.sparkfinetune.inference.export;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.InputStream;
import java.util.List;
import java.util.Optional;
import org.apache.hadoop.fs.Path;
import org.sparkfinetune.data.tokenize.TokenizerFiles;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.model.safetensors.DType;
import org.sparkfinetune.store.Store;

/** What belongs beside a model's weights: configuration, tokenizer, templates, licence. */
final class ModelFolderFiles {
  private static final List<String> COPIED =
      List.of(
          "generation_config.json",
          "tokenizer.json",
          "tokenizer_config.json",
          "special_tokens_map.json",
          "added_tokens.json",
          "tokenizer.model",
          "vocab.json",
          "merges.txt",
          "preprocessor_config.json",
          "processor_config.json",
          "chat_template.jinja",
          "chat_template.json",
          "LICENSE",
          "LICENSE.txt");

  private static final String TEXT = "text_config";
  private static final String TIED = "tie_word_embeddings";
  private static final ObjectMapper JSON = new ObjectMapper();

  private final Store store;

  ModelFolderFiles(Store store) {
    this.store = store;
  }

  void copy(Path from, Path to, boolean tied, Optional<DType> dtype) {
    store.copy(from, to, COPIED);
    store.copy(from, to, TokenizerFiles.moreTemplates(from, store));
    try {
      store.replace(
          new Path(to, "config.json"),
          JSON.writerWithDefaultPrettyPrinter().writeValueAsString(config(from, tied, dtype))
              + "\n");
    } catch (IOException e) {
      throw new RunFailure("Copying files from %s to %s failed: %s".formatted(from, to, e), e);
    }
  }

  private ObjectNode config(Path from, boolean tied, Optional<DType> dtype) throws IOException {
    Path file = new Path(from, "config.json");
    try (InputStream in = store.fileSystem(file).open(file)) {
      ObjectNode config = (ObjectNode) JSON.readTree(in);
      config.remove("quantization_config");
      dtype.ifPresent(
          type -> config.put(config.has("dtype") ? "dtype" : "torch_dtype", torchName(type)));
      tie(config, tied);
      if (config.path(TEXT) instanceof ObjectNode text && text.has(TIED)) {
        tie(text, tied);
      }
      return config;
    }
  }

  private static void tie(ObjectNode config, boolean tied) {
    if (config.path(TIED).asBoolean() != tied) {
      config.put(TIED, tied);
    }
  }

  private static String torchName(DType type) {
    return switch (type) {
      case F32 -> "float32";
      case F16 -> "float16";
      case BF16 -> "bfloat16";
      case F64, I64, I32, I16, I8, U8, BOOL ->
          throw new org.sparkfinetune.errors.Bug("A model in " + type + ".");
    };
  }
}
