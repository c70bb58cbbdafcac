package org.sparkfinetune.inference.generate;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.sparkfinetune.inference.generate.DecodingModel.BaseForm;
import org.sparkfinetune.inference.generate.Generator.Prompt;
import org.sparkfinetune.inference.generate.Generator.TokenListener;
import org.sparkfinetune.store.Store;

/** Models over one base in one JVM. */
final class BaseWeightsTest {
  private static final Store STORE = new Store(new Configuration(false));
  private static final Path GOLDEN = Path.of("src/test/resources/golden").toAbsolutePath();
  private static final Optional<org.apache.hadoop.fs.Path> ADAPTER =
      Optional.of(path(GOLDEN.resolve("trajectory-lora-float32.adapter")));

  @TempDir Path folder;

  private static org.apache.hadoop.fs.Path path(Path local) {
    return new org.apache.hadoop.fs.Path(local.toUri());
  }

  @BeforeEach
  void aModelOfThisTest() throws IOException {
    for (String file : List.of("config.json", "model.safetensors")) {
      Files.copy(GOLDEN.resolve("model").resolve(file), folder.resolve(file));
    }
  }

  private BaseWeights shared(BaseForm form) {
    return BaseWeights.shared(path(folder), form, STORE);
  }

  private static List<Integer> answer(DecodingModel model) {
    try (Generator generator = new Generator(model, 1, 1)) {
      int[] prompt = {1, 17, 120, 33, 5};
      return java.util.Arrays.stream(
              generator
                  .run(
                      List.of(new Prompt(0, prompt)),
                      GenerationSettings.greedy(24, Set.of()),
                      (number, token) -> TokenListener.Then.CONTINUE)
                  .get(0)
                  .ids())
          .boxed()
          .toList();
    }
  }

  @ParameterizedTest
  @EnumSource
  void models_over_one_base_write_what_each_would_alone(BaseForm form) {
    List<Integer> alone;
    List<Integer> adapted;
    try (DecodingModel base = DecodingModel.load(path(folder), Optional.empty(), form, STORE, 1);
        DecodingModel with = DecodingModel.load(path(folder), ADAPTER, form, STORE, 1)) {
      alone = answer(base);
      adapted = answer(with);
    }
    assertThat(adapted).isNotEqualTo(alone);
    try (BaseWeights one = shared(form);
        BaseWeights other = shared(form)) {
      assertThat(other).isSameAs(one);
      AtomicInteger layers = new AtomicInteger();
      try (DecodingModel with = one.with(ADAPTER, 2, layers::incrementAndGet);
          DecodingModel base = other.with(Optional.empty(), 1, layers::incrementAndGet)) {
        assertThat(answer(with)).isEqualTo(adapted);
        assertThat(answer(base)).isEqualTo(alone);
        assertThat(layers).hasValue(2 * base.config().numHiddenLayers());
      }
    }
  }

  @Test
  void a_base_goes_with_its_last_user_and_with_its_files() throws IOException {
    BaseWeights first = shared(BaseForm.NF4);
    assertThat(shared(BaseForm.AS_STORED)).isNotSameAs(first);
    BaseWeights second = shared(BaseForm.NF4);
    first.close();
    assertThat(shared(BaseForm.NF4)).isSameAs(second);
    second.close();
    second.close();
    BaseWeights again = shared(BaseForm.NF4);
    assertThat(again).isNotSameAs(first);
    Files.setLastModifiedTime(folder.resolve("model.safetensors"), FileTime.fromMillis(1_000));
    assertThat(shared(BaseForm.NF4)).isNotSameAs(again);
  }
}
