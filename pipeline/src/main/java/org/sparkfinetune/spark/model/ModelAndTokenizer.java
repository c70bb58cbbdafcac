package org.sparkfinetune.spark.model;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.Arrays;
import java.util.HexFormat;
import org.apache.commons.codec.digest.DigestUtils;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.sparkfinetune.config.TrainConfig.ModelSource;
import org.sparkfinetune.data.tokenize.LlamaTokenizer;
import org.sparkfinetune.data.tokenize.TokenizerFiles;
import org.sparkfinetune.engine.train.BaseModel;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.model.family.DecoderConfig;
import org.sparkfinetune.model.family.ModelFolder;
import org.sparkfinetune.store.Store;

/** A model and a tokenizer that go together. */
public record ModelAndTokenizer(DecoderConfig model, TokenizerFiles tokenizer) {

  /**
   * Opens both; reads no weights.
   *
   * @param source located
   * @throws UserError if one of them is missing or broken, or the tokenizer has more entries than
   *     the model
   */
  public static ModelAndTokenizer check(ModelSource source, Store store) {
    try (BaseModel model = BaseModel.open(source.folder(), store)) {
      return fitting(model.config(), source.tokenizer().orElse(source.folder()), store);
    }
  }

  /** The same of a folder without weights. */
  public static ModelAndTokenizer checkWithoutWeights(Path folder, String tokenizer, Store store) {
    return fitting(ModelFolder.config(folder, store), tokenizer, store);
  }

  private static ModelAndTokenizer fitting(DecoderConfig model, String folder, Store store) {
    TokenizerFiles files = TokenizerFiles.load(new Path(folder), store);
    try (LlamaTokenizer tokenizer = LlamaTokenizer.of(files)) {
      int vocabulary = model.vocabSize();
      if (tokenizer.vocabularySize() > vocabulary) {
        throw new UserError(
            String.format(
                "The tokenizer in %s has %s entries, but the model's vocab_size is %s, so some"
                    + " ids would have no embedding. Is it the tokenizer of another model?",
                folder, tokenizer.vocabularySize(), vocabulary));
      }
    }
    return new ModelAndTokenizer(model, files);
  }

  /**
   * Tells models apart without reading them whole: SHA-256 over name, size, first MiB (header and
   * first weights) and sixteen places in between of each safetensors and JSON file. Models that
   * were merged from one base have the same beginning.
   */
  public static final class ModelHash {
    private static final int PREFIX = 1 << 20;
    private static final int SAMPLE = 1 << 12;
    private static final int SAMPLES = 16;

    private ModelHash() {}

    public static String of(String folder, Store store) {
      try {
        MessageDigest digest = DigestUtils.getSha256Digest();
        Path path = new Path(folder);
        FileSystem fileSystem = store.fileSystem(path);
        FileStatus[] files = fileSystem.listStatus(path);
        Arrays.sort(files);
        for (FileStatus file : files) {
          String name = file.getPath().getName();
          if (name.endsWith(".safetensors") || name.endsWith(".json")) {
            digest.update((name + ":" + file.getLen() + "\n").getBytes(StandardCharsets.UTF_8));
            try (FSDataInputStream in = fileSystem.open(file.getPath())) {
              digest.update(in.readNBytes(PREFIX));
              for (int i = 1; i <= SAMPLES; i++) {
                in.seek(file.getLen() * i / (SAMPLES + 1));
                digest.update(in.readNBytes(SAMPLE));
              }
            }
          }
        }
        return "sha256-of-samples:" + HexFormat.of().formatHex(digest.digest());
      } catch (IOException e) {
        throw new RunFailure(
            "The model folder " + folder + " cannot be read: " + e.getMessage(), e);
      }
    }
  }
}
