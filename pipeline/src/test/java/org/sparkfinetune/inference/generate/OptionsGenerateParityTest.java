package org.sparkfinetune.inference.generate;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.sparkfinetune.inference.generate.DecodingModel.BaseForm;

/** What decoding with PEFT's adapters with options thinks of each token of a row, as PEFT. */
final class OptionsGenerateParityTest {
  @ParameterizedTest
  @CsvSource({
    "patterns, biased, AS_STORED",
    "bias, biased, AS_STORED",
    "bias-alone, tied, AS_STORED",
    "dora, biased, AS_STORED",
    "dora-nf4, tied, NF4_FLOAT32",
    "tokens, biased, AS_STORED",
    "tokens-tied, tied, AS_STORED"
  })
  void every_token_is_as_likely_as_in_peft(String name, String of, BaseForm form) {
    try (DecodingModel model = GoldenTexts.withOptions(name, of, form);
        Generator generator = new Generator(model, 2, 8)) {
      GoldenTexts.assertAsLikelyAsInPeft(generator, name);
    }
  }
}
