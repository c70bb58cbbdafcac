package org.sparkfinetune.spark.evaluate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sparkfinetune.config.ModelChoice;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.inference.evaluate.ModelResult;
import org.sparkfinetune.inference.evaluate.ModelResult.Mean;
import org.sparkfinetune.inference.evaluate.SampleResult;
import org.sparkfinetune.spark.model.ModelFolders;
import org.sparkfinetune.spark.train.AwayFileSystem;
import org.sparkfinetune.store.Store;

class PromotionTest {
  @TempDir Path folder;

  private Promotion promotion() {
    return new Promotion(folder.resolve("best").toString(), new Store(new Configuration()));
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
                Map.of(),
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

  @Test
  void a_loss_that_is_no_number_is_never_promoted() throws IOException {
    for (double loss : new double[] {Double.NaN, Double.POSITIVE_INFINITY}) {
      assertThat(
              promotion()
                  .decide(candidate("one"), result(loss), Map.of("base", result(Double.NaN)), "{}"))
          .startsWith("Not promoted: its loss is " + loss);
    }
    assertThat(folder.resolve("best")).doesNotExist();
  }

  @Test
  void a_loss_that_is_no_number_is_replaced_by_any_that_is_one() throws IOException {
    Map<String, ModelResult> others = Map.of("base", result(7), "promoted", result(Double.NaN));
    assertThat(promotion().decide(candidate("one"), result(7), others, "{}"))
        .startsWith("Not promoted");
    assertThat(promotion().decide(candidate("one"), result(6), others, "{}"))
        .startsWith("Promoted to ");
  }

  @Test
  void a_reader_always_finds_one_adapter_whole() throws IOException {
    Promotions promotions = new Promotions(folder.toString(), new Store(new Configuration()));
    promotions.areSeenWhole(
        Promotions.Configurations.DIFFERENT, Promotions.Reader.PEFT, Promotions.Reader.COMMAND);
    assertThat(promotions.names())
        .containsExactly(
            "adapter", "config.yaml", "current", "current.json", "evaluation.json", "versions");
  }

  @Test
  void on_a_store_without_renames_commands_follow_current_json() throws IOException {
    Store store = new Store(new Configuration());
    store
        .hadoop()
        .setClass("fs.away.impl", AwayFileSystem.class, org.apache.hadoop.fs.FileSystem.class);
    store.hadoop().set(AwayFileSystem.MARKER, folder.resolve("marker").toString());
    String best = "away://" + folder.resolve("best");
    new Promotion(best, store).decide(candidate("one"), result(2), Map.of(), "{}");
    assertThat(folder.resolve("best/adapter")).doesNotExist();
    for (String named : List.of(best, best + "/adapter")) {
      Path adapter = Path.of(URI.create(new ModelFolders(store).adapter(named)).getPath());
      assertThat(adapter.resolve("adapter_config.json")).hasContent("one");
      assertThat(adapter.resolveSibling("config.yaml")).hasContent("method: one");
    }
  }

  @Test
  void the_folder_itself_names_its_adapter() throws IOException {
    promotion().decide(candidate("one"), result(2), Map.of(), "{}");
    String best = folder.resolve("best").toString();
    ModelFolders folders = new ModelFolders(new Store(new Configuration()));
    assertThat(Path.of(folders.adapter(best)).resolve("adapter_config.json")).hasContent("one");
    assertThat(folders.adapter(best + "/adapter")).isEqualTo(folders.adapter(best));
    String plain = folder.resolve("one/adapter").toString();
    assertThat(folders.adapter(plain)).isEqualTo(plain);
  }

  @Test
  void a_current_json_that_names_no_version_is_the_users_to_mend() throws IOException {
    promotion().decide(candidate("one"), result(2), Map.of(), "{}");
    Files.writeString(folder.resolve("best/current.json"), "{\"adapter\": \"../one/adapter\"}");
    assertThatThrownBy(
            () ->
                new ModelFolders(new Store(new Configuration()))
                    .adapter(folder.resolve("best").toString()))
        .isInstanceOf(UserError.class)
        .hasMessageContaining(
            "best/current.json does not say which adapter is the current one: adapter is"
                + " \"../one/adapter\"");
  }

  @Test
  void what_a_killed_promotion_left_goes_with_the_next_one() throws IOException {
    promotion().decide(candidate("one"), result(2), Map.of(), "{}");
    Path best = folder.resolve("best");
    Files.createDirectories(best.resolve("versions/2026-11-29-dead/adapter"));
    Files.createDirectories(best.resolve(".adapter.0b2f.tmp"));
    Files.writeString(best.resolve(".current.json.tmp"), "half");
    promotion().decide(candidate("two"), result(1), Map.of(), "{}");
    assertThat(best.resolve("versions")).isDirectoryNotContaining("glob:**-dead");
    assertThat(best)
        .isDirectoryNotContaining(path -> path.getFileName().toString().startsWith("."));
    assertThat(best.resolve("adapter/adapter_config.json")).hasContent("two");
  }

  @Test
  void what_a_killed_promotion_did_not_show_is_shown_by_the_next_look() throws IOException {
    promotion().decide(candidate("one"), result(2), Map.of(), "{}");
    Files.delete(folder.resolve("best/adapter"));
    promotion().incumbent(candidate("two"));
    assertThat(folder.resolve("best/adapter/adapter_config.json")).hasContent("one");
  }

  @Test
  void an_adapter_of_a_time_before_versions_is_the_incumbent_and_gives_way() throws IOException {
    Path before = Files.createDirectories(folder.resolve("best/adapter"));
    Files.writeString(before.resolve("adapter_config.json"), "zero");
    assertThat(promotion().incumbent(candidate("one")).orElseThrow().adapter())
        .contains(before.toString());
    promotion().decide(candidate("one"), result(2), Map.of(), "{}");
    assertThat(folder.resolve("best/adapter/adapter_config.json")).hasContent("one");
  }

  @Test
  void a_version_goes_an_hour_after_it_was_replaced() throws IOException {
    for (String run : List.of("one", "two", "three")) {
      promotion().decide(candidate(run), result(2), Map.of(), "{}");
    }
    assertThat(versions()).containsExactlyInAnyOrder("one", "two", "three");
    Path current = folder.resolve("best/current.json");
    String twoHoursAgo = Instant.now().minus(Duration.ofHours(2)).toString();
    Files.writeString(
        current, Files.readString(current).replaceAll("\"[^\"]+Z\"", '"' + twoHoursAgo + '"'));
    promotion().decide(candidate("four"), result(2), Map.of(), "{}");
    assertThat(versions())
        .as("three was replaced just now")
        .containsExactlyInAnyOrder("three", "four");
  }

  private List<String> versions() throws IOException {
    List<String> runs = new ArrayList<>();
    try (Stream<Path> versions = Files.list(folder.resolve("best/versions"))) {
      for (Path version : versions.toList()) {
        runs.add(Files.readString(version.resolve("adapter/adapter_config.json")));
      }
    }
    return runs;
  }
}
