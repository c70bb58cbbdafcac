package org.sparkfinetune.launch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sparkfinetune.config.ModelChoice;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.evaluate.Mean;
import org.sparkfinetune.evaluate.ModelResult;
import org.sparkfinetune.evaluate.SampleResult;

class PromotionTest {
  @TempDir Path folder;

  private Promotion promotion() {
    return new Promotion(folder.resolve("best").toString(), new Configuration());
  }

  private ModelChoice candidate(String run) throws IOException {
    Path adapter = Files.createDirectories(folder.resolve(run).resolve("adapter"));
    Files.writeString(adapter.resolve("adapter_config.json"), run);
    Files.writeString(folder.resolve(run).resolve("config.yaml"), "method: " + run);
    return new ModelChoice(
        "/m",
        Optional.of(adapter.toString()),
        Optional.empty(),
        Optional.empty(),
        Optional.empty());
  }

  private static ModelResult result(double loss) {
    return new ModelResult(
        List.of(
            new SampleResult(
                Optional.of(new Mean.Part(10 * loss, 10)),
                Optional.empty(),
                false,
                false,
                Optional.empty())));
  }

  @Test
  void the_first_adapter_has_to_be_better_than_the_base_model() throws IOException {
    ModelChoice first = candidate("one");
    assertThat(promotion().incumbent(first)).isEmpty();
    assertThat(promotion().decide(first, result(3), Map.of("base", result(3)), "{}"))
        .isEqualTo("Not promoted: its loss is 3.0000, that of base 3.0000.");
    assertThat(folder.resolve("best")).doesNotExist();
    assertThat(promotion().decide(first, result(2), Map.of("base", result(3)), "{}"))
        .startsWith("Promoted to ");
    assertThat(folder.resolve("best/adapter/adapter_config.json")).hasContent("one");
    assertThat(folder.resolve("best/config.yaml")).hasContent("method: one");
    assertThat(folder.resolve("best/evaluation.json")).hasContent("{}");
  }

  @Test
  void a_better_one_takes_the_place_of_the_one_that_is_there_and_a_worse_one_does_not()
      throws IOException {
    promotion().decide(candidate("one"), result(2), Map.of(), "{}");
    ModelChoice second = candidate("two");
    assertThat(promotion().incumbent(second).orElseThrow().adapter())
        .contains(folder.resolve("best/adapter").toString());
    promotion().decide(second, result(2.1), Map.of("promoted", result(2)), "{}");
    assertThat(folder.resolve("best/config.yaml")).hasContent("method: one");
    promotion().decide(second, result(1.9), Map.of("promoted", result(2)), "{}");
    assertThat(folder.resolve("best/config.yaml")).hasContent("method: two");
  }

  @Test
  void without_losses_nothing_can_be_decided() throws IOException {
    ModelChoice choice = candidate("one");
    assertThatThrownBy(() -> promotion().decide(choice, new ModelResult(List.of()), Map.of(), "{}"))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("add loss to metrics");
  }
}
