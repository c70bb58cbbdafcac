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
        "| model | method | row | GPUs | a GPU needs, of | weights kept | host, each | a step | all on"
            + " the host | bound by | hours | USD |");
    rows.add("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    rows.add(row("llama-3-70b", "qlora", 3072, "full_shard offload", "A10G", 4));
    rows.add(row("llama-3-70b", "qlora", 3072, "full_shard", "A10G", 4));
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

  /**
   * A run that others have published.
   *
   * @param words of our configuration that come nearest
   * @param tokensPerSecond of all GPUs
   */
  private record Published(
      String source, String shape, String type, int gpus, String words, double tokensPerSecond) {

    Plan plan() {
      TrainConfig config =
          new ConfigLoader(new Configuration())
              .train(
                  Optional.empty(),
                  List.of(
                      ("--model_id m --dataset_path d --output_dir o "
                              + "--gradient_accumulation_steps 1 --lora_target_modules all-linear "
                              + words)
                          .split(" ")))
              .config();
      return new Planner(config, ModelShape.named(shape).config(), OptionalLong.empty())
          .plan(TABLE.device(type), gpus, List.of());
    }
  }

  private static final String ANSWER_AI =
      "--method qlora --max_seq_length 2048 --lora_r 64 --lora_dropout 0.1"
          + " --per_device_train_batch_size ";

  private static final String TORCHTUNE =
      "--max_seq_length 2048 --per_device_train_batch_size 2 --lora_r 8 --lora_dropout 0 --method ";

  /** 1,024 rows of 2,048 tokens in so many seconds. */
  private static double answerAi(double seconds) {
    return 1024 * 2048 / seconds;
  }

  private static final List<Published> PUBLISHED =
      List.of(
          new Published("Answer.AI", "llama-3-70b", "H100", 4, ANSWER_AI + 8, answerAi(667)),
          new Published("Answer.AI", "llama-3-70b", "A100-40GB", 8, ANSWER_AI + 4, answerAi(672)),
          new Published("Answer.AI", "llama-3-70b", "A100-40GB", 4, ANSWER_AI + 4, answerAi(1266)),
          new Published("Answer.AI", "llama-3-70b", "A100-40GB", 2, ANSWER_AI + 1, answerAi(3277)),
          new Published(
              "Answer.AI",
              "llama-3-70b",
              "RTX4090",
              2,
              ANSWER_AI + "2 --fsdp offload",
              answerAi(4399)),
          new Published("torchtune", "llama-3-8b", "RTX4090", 1, TORCHTUNE + "lora", 3083),
          new Published("torchtune", "llama-3-8b", "RTX4090", 1, TORCHTUNE + "qlora", 2413),
          new Published("torchtune", "llama-3-70b", "A100-80GB", 8, TORCHTUNE + "lora", 3497),
          new Published(
              "NeMo AutoModel",
              "llama-3-8b",
              "H100",
              1,
              "--method lora --max_seq_length 4096 --per_device_train_batch_size 2 --lora_dropout 0"
                  + " --gradient_checkpointing false",
              12_473));

  /** Where plan says more than 1.3 times more or less, the page says why, run by run. */
  @Test
  void the_page_has_the_published_speeds_beside_what_plan_says() throws IOException {
    String page = Files.readString(Path.of("../jobs/docs/planning.md"));
    List<String> missing = new ArrayList<>();
    for (Published run : PUBLISHED) {
      Plan plan = run.plan();
      double ours = plan.timing().tokensPerSecond();
      double times = ours / run.tokensPerSecond();
      String row =
          String.format(
              Locale.ROOT,
              "| %s | %s %s | %d x %s | %,.0f | %,.0f | %.2f |",
              run.source(),
              run.shape(),
              plan.memory().resident() == 0 ? "streamed" : "resident",
              run.gpus(),
              run.type(),
              run.tokensPerSecond(),
              ours,
              times);
      boolean apart = times > 1.3 || times < 1 / 1.3;
      page.lines()
          .filter(line -> line.startsWith(row))
          .findFirst()
          .ifPresentOrElse(
              line -> assertThat(line.length() > row.length() + 20).as(row).isEqualTo(apart),
              () -> missing.add(row));
    }
    assertThat(String.join("\n", missing)).isEmpty();
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
        "| %s | %s%s | %d | %d x %s | %.1f of %.0f GiB%s | %.1f of %.1f GiB | %.1f GiB | %.1f s | %.1f"
            + " s | %s | %.2f | %.0f |",
        shape,
        method,
        fsdp.contains("offload") ? ", offload" : "",
        length,
        ranks,
        type,
        plan.memory().needed() / GIB,
        plan.available() / GIB,
        plan.fits() ? "" : ": too little",
        plan.memory().resident() / GIB,
        plan.frozen() / GIB,
        (plan.memory().hostNeeded() + plan.memory().hostMapped()) / GIB,
        plan.timing().stepSeconds(),
        plan.offloaded().orElse(plan.timing()).stepSeconds(),
        plan.timing().bound().text(),
        plan.timing().hours().orElseThrow(),
        plan.usd().orElseThrow());
  }
}
