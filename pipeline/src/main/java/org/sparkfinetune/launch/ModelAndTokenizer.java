package org.sparkfinetune.launch;

import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.sparkfinetune.config.ModelSource;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.llama.LlamaConfig;
import org.sparkfinetune.tokenize.LlamaTokenizer;
import org.sparkfinetune.tokenize.TokenizerFiles;
import org.sparkfinetune.train.BaseModel;

/** A model and a tokenizer that go together. */
record ModelAndTokenizer(LlamaConfig model, TokenizerFiles tokenizer) {

  /**
   * Opens both; reads no weights.
   *
   * @throws UserError if one of them is missing or broken, or the tokenizer has more entries than
   *     the model
   */
  static ModelAndTokenizer check(ModelSource source, Configuration hadoop) {
    try (BaseModel model = BaseModel.open(source.modelId(), hadoop)) {
      String folder = source.tokenizer().orElse(source.modelId());
      TokenizerFiles files = TokenizerFiles.load(new Path(folder), hadoop);
      try (LlamaTokenizer tokenizer = LlamaTokenizer.of(files)) {
        int vocabulary = model.config().vocabSize();
        if (tokenizer.vocabularySize() > vocabulary) {
          throw new UserError(
              String.format(
                  "The tokenizer in %s has %d entries, but the model's vocab_size is %d, so some"
                      + " ids would have no embedding. Is it the tokenizer of another model?",
                  folder, tokenizer.vocabularySize(), vocabulary));
        }
      }
      return new ModelAndTokenizer(model.config(), files);
    }
  }
}
