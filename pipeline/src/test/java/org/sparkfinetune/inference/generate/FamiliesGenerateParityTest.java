package org.sparkfinetune.inference.generate;

import java.io.IOException;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Tiny models of every family continue texts as transformers does, see {@code families.py}. */
class FamiliesGenerateParityTest {
  static List<String> families() throws IOException {
    return GoldenTexts.families();
  }

  @ParameterizedTest
  @MethodSource("families")
  void continues_greedily_as_transformers_does(String name) {
    try (DecodingModel model = GoldenTexts.family(name);
        Generator generator = new Generator(model, 2, 2)) {
      GoldenTexts.assertContinuesAsTransformers(generator, name);
    }
  }
}
