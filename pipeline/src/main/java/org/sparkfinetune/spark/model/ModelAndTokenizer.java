package org.sparkfinetune.spark.model;

import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.sparkfinetune.config.ModelSource;
import org.sparkfinetune.data.tokenize.LlamaTokenizer;
import org.sparkfinetune.data.tokenize.TokenizerFiles;
import org.sparkfinetune.engine.train.BaseModel;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.model.family.LlamaConfig;
import org.sparkfinetune.model.family.LlamaFolder;

/** A model and a tokenizer that go together. */
public record ModelAndTokenizer(LlamaConfig model, TokenizerFiles tokenizer) {

  /**
   * Opens both; reads no weights.
   *
   * @param source located
   * @throws UserError if one of them is missing or broken, or the tokenizer has more entries than
   *     the model
   */
  public static ModelAndTokenizer check(ModelSource source, Configuration hadoop) {
    try (BaseModel model = BaseModel.open(source.folder(), hadoop)) {
      return fitting(model.config(), source.tokenizer().orElse(source.folder()), hadoop);
    }
  }

  /** The same of a folder without weights. */
  public static ModelAndTokenizer checkWithoutWeights(
      Path folder, String tokenizer, Configuration hadoop) {
    return fitting(LlamaFolder.config(folder, hadoop), tokenizer, hadoop);
  }

  private static ModelAndTokenizer fitting(LlamaConfig model, String folder, Configuration hadoop) {
    TokenizerFiles files = TokenizerFiles.load(new Path(folder), hadoop);
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
}
