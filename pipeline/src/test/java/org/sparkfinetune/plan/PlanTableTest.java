package org.sparkfinetune.plan;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalLong;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.Test;
import org.sparkfinetune.bench.ModelShape;
import org.sparkfinetune.config.ConfigLoader;
import org.sparkfinetune.config.TrainConfig;

/** The table in the documentation is what plan says today. */
class PlanTableTest {
  private static final double GIB = 1L << 30;
  private static final DeviceTable TABLE = DeviceTable.shipped();

  @Test
  void the_documented_table_is_what_plan_says() throws IOException {
    List<String> rows = new ArrayList<>();
    rows.add(
        "| model | method | row | GPUs | a GPU needs, of | host, each | a step | bound by | hours |"
            + " USD |");
    rows.add("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    rows.add(row("llama-3-70b", "qlora", 3072, "full_shard offload", "A10G", 4));
    rows.add(row("llama-3-70b", "qlora", 3072, "full_shard", "L20", 4));
    rows.add(row("llama-3-70b", "qlora", 3072, "full_shard", "A100-40GB", 2));
    rows.add(row("llama-3-70b", "qlora", 3072, "full_shard", "H100", 4));
    rows.add(row("llama-3-70b", "lora", 2048, "full_shard", "A100-80GB", 8));
    rows.add(row("llama-3-70b", "full", 2048, "full_shard", "H200", 16));
    rows.add(row("llama-3-8b", "qlora", 2048, "full_shard", "RTX4090", 1));
    rows.add(row("llama-3-8b", "lora", 2048, "full_shard", "L4", 4));
    rows.add(row("llama-3-8b", "qlora", 2048, "full_shard", "H100", 1024));
    assertThat(Files.readString(Path.of("../jobs/docs/planning.md")))
        .contains(String.join("\n", rows) + "\n");
  }

  @Test
  void what_is_kept_of_layers_takes_what_the_documentation_says() throws IOException {
    String page = Files.readString(Path.of("../jobs/docs/planning.md"));
    for (String kept : List.of("true", "selective", "false")) {
      TrainConfig config =
          new ConfigLoader(new Configuration())
              .train(
                  Optional.of("../conf/train/llama3-8b-qlora.yaml"),
                  List.of("--gradient_checkpointing", kept))
              .config();
      Plan plan =
          new Planner(config, ModelShape.named("llama-3-8b").config(), OptionalLong.empty())
              .plan(TABLE.device("RTX4090"), 1, List.of());
      String numbers =
          String.format(
              Locale.ROOT,
              "%.1f GiB | %.1f s |",
              plan.memory().needed() / GIB,
              plan.timing().stepSeconds());
      assertThat(page.lines())
          .anyMatch(line -> line.startsWith("| `" + kept + "`") && line.endsWith(numbers));
    }
  }

  private static String row(
      String shape, String method, int length, String fsdp, String type, int ranks) {
    List<String> words =
        List.of(
            "--model_id",
            "m",
            "--dataset_path",
            "d",
            "--output_dir",
            "o",
            "--method",
            method,
            "--max_seq_length",
            Integer.toString(length),
            "--gradient_accumulation_steps",
            "2",
            "--fsdp",
            fsdp);
    TrainConfig config =
        new ConfigLoader(new Configuration()).train(Optional.empty(), words).config();
    Plan plan =
        new Planner(config, ModelShape.named(shape).config(), OptionalLong.of(3_000_000))
            .plan(TABLE.device(type), ranks, List.of());
    return String.format(
        Locale.ROOT,
        "| %s | %s%s | %d | %d x %s | %.1f of %.0f GiB%s | %.1f GiB | %.1f s | %s | %.2f | %.0f |",
        shape,
        method,
        fsdp.contains("offload") ? ", offload" : "",
        length,
        ranks,
        type,
        plan.memory().needed() / GIB,
        plan.available() / GIB,
        plan.fits() ? "" : ": too little",
        (plan.memory().hostNeeded() + plan.memory().hostMapped()) / GIB,
        plan.timing().stepSeconds(),
        plan.timing().bound().text(),
        plan.timing().hours().orElseThrow(),
        plan.usd().orElseThrow());
  }
}
