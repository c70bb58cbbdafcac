package org.sparkfinetune.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sparkfinetune.config.EvaluateConfig.Metric;
import org.sparkfinetune.config.MergeConfig.MergeFormat;
import org.sparkfinetune.config.MergeConfig.WeightType;
import org.sparkfinetune.config.ModelChoice.MergeBase;
import org.sparkfinetune.config.TrainConfig.DeviceChoice;
import org.sparkfinetune.errors.UserError;

/** The configurations of generate, evaluate and merge. */
final class AfterTrainingConfigTest {
  private final ConfigLoader loader = new ConfigLoader(new Configuration(false));
  private final ConfigLoader ofUser = ConfigLoader.ofUser(new Configuration());

  @TempDir Path folder;

  private GenerateConfig generate(String... arguments) {
    return loader.generate(Optional.empty(), List.of(arguments)).config();
  }

  private EvaluateConfig evaluate(String... arguments) {
    List<String> all = new ArrayList<>(List.of("--model_id", "m", "--dataset_path", "d"));
    all.addAll(List.of(arguments));
    return ofUser.evaluate(Optional.empty(), all).config();
  }

  private MergeConfig merge(String... arguments) {
    return loader.merge(Optional.empty(), List.of(arguments)).config();
  }

  @Test
  void defaults_are_greedy_and_leave_the_base_to_the_adapter() {
    GenerateConfig config = generate("--model_id", "m", "--prompt", "Once");

    assertThat(config.task()).isEqualTo(new GenerateConfig.Continue("Once"));
    assertThat(config.sampling())
        .isEqualTo(
            new Sampling(512, false, 0.6, 0.9, 0, 1, List.of(), 42, 32, DeviceChoice.AUTO, true));
    assertThat(config.model())
        .isEqualTo(
            new ModelChoice(
                "m", Optional.empty(), Optional.empty(), Optional.empty(), Optional.empty()));
    EvaluateConfig evaluate =
        loader
            .evaluate(Optional.empty(), List.of("--model_id", "m", "--dataset_path", "d"))
            .config();
    assertThat(evaluate.metrics())
        .containsExactlyInAnyOrder(Metric.LOSS, Metric.EXACT_MATCH, Metric.EXECUTION_MATCH);
    assertThat(evaluate.maxNewTokens()).isEmpty();
    assertThat(evaluate.candidates()).containsExactly(evaluate.model());
    assertThat(evaluate.compareBase()).isTrue();
    assertThat(merge("--model_id", "m", "--output", "o"))
        .isEqualTo(
            new MergeConfig(
                "m",
                Optional.empty(),
                Optional.empty(),
                "o",
                MergeFormat.SAFETENSORS,
                Optional.empty(),
                2_000_000_000L,
                Optional.empty(),
                Optional.empty()));
  }

  @Test
  void every_key_is_read() {
    GenerateConfig config =
        generate(
            "--model_id=m",
            "--adapter=a",
            "--base=dequantized",
            "--tokenizer=t",
            "--chat_template=llama3",
            "--messages=[{\"role\": \"user\", \"content\": \"hi: there\"}]",
            "--system=s",
            "--do_sample",
            "--temperature=1.5",
            "--top_p=1",
            "--top_k=50",
            "--repetition_penalty=1.1",
            "--max_new_tokens=7",
            "--stop=\n\nHuman:",
            "--seed=3",
            "--batch_size=2",
            "--device=cuda",
            "--bf16=false");

    assertThat(config.sampling())
        .isEqualTo(
            new Sampling(
                7, true, 1.5, 1, 50, 1.1, List.of("\n\nHuman:"), 3, 2, DeviceChoice.CUDA, false));
    assertThat(config.model().base()).contains(MergeBase.DEQUANTIZED);
    assertThat(config.task())
        .isEqualTo(
            new GenerateConfig.Answer(
                "[{\"role\":\"user\",\"content\":\"hi: there\"}]",
                Optional.of("s"),
                Optional.empty(),
                Optional.empty()));
    assertThat(
            merge(
                "--model_id",
                "m",
                "--output",
                "o",
                "--max_shard_size",
                "500MB",
                "--format",
                "gguf-q8_0",
                "--dtype",
                "float16",
                "--push_to",
                "owner/name",
                "--hub_private_repo",
                "true"))
        .extracting(
            MergeConfig::maxShardSize,
            MergeConfig::format,
            MergeConfig::dtype,
            MergeConfig::pushTo,
            MergeConfig::hubPrivateRepo)
        .containsExactly(
            500_000_000L,
            MergeFormat.GGUF_Q8_0,
            Optional.of(WeightType.FLOAT16),
            Optional.of("owner/name"),
            Optional.of(true));
  }

  @Test
  void bad_values_are_named_with_what_is_allowed() {
    assertThatThrownBy(() -> generate("--model_id", "m", "--prompt", "a", "--top_p", "0"))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("top_p is 0; allowed: a number above 0 and at most 1");
    assertThatThrownBy(() -> merge("--model_id", "m", "--output", "o", "--max_shard_size", "big"))
        .hasMessageContaining("max_shard_size is big; allowed: a size above 0 such as 2GB");
    assertThatThrownBy(() -> generate("--model_id", "m"))
        .hasMessageContaining("one of prompt, messages, chat and input, and 0 were given");
    assertThatThrownBy(() -> generate("--model_id", "m", "--prompt", "a", "--chat"))
        .hasMessageContaining("2 were given");
    assertThatThrownBy(() -> generate("--model_id", "m", "--input", "rows.parquet"))
        .hasMessageContaining("output is missing");
  }

  @Test
  void evaluate_takes_several_adapters_and_a_length_of_its_own() throws IOException {
    EvaluateConfig config =
        evaluate("--adapter", "/runs/a/adapter, owner/b", "--max_new_tokens", "7", "--top_k", "3");
    assertThat(config.candidates())
        .extracting(ModelChoice::adapter)
        .containsExactly(Optional.of("/runs/a/adapter"), Optional.of("owner/b"));
    assertThat(config.model().adapter()).isEmpty();
    assertThat(config.maxNewTokens()).hasValue(7);
    assertThat(config.sampling().topK()).isEqualTo(3);
    assertThat(evaluate("--adapter", "/a", "/b").adapter()).contains(List.of("/a", "/b"));
    String comma = Files.createDirectory(folder.resolve("a,b")).toString();
    assertThat(evaluate("--adapter", comma).adapter()).contains(List.of(comma));
    assertThat(evaluate("--adapter", comma, "/b").adapter()).contains(List.of(comma, "/b"));
    String yaml =
        loader
            .evaluate(
                Optional.empty(), List.of("--model_id=m", "--dataset_path=d", "--adapter=a,b"))
            .yaml();
    assertThat(yaml).containsOnlyOnce("adapter:").containsOnlyOnce("max_new_tokens: null");
  }

  @Test
  void evaluate_says_what_does_not_go_together() {
    assertThatThrownBy(() -> evaluate("--adapter", "a,b", "--promote_to", "/best"))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("promote_to is /best, which takes one adapter, and adapter has 2");
    assertThatThrownBy(() -> evaluate("--adapter", "/a,/b,/a"))
        .hasMessageContaining("adapter has /a more than once");
    assertThatThrownBy(() -> evaluate("--metrics", "pattern_match"))
        .hasMessageContaining("metrics has pattern_match, which looks for answer_pattern");
    assertThatThrownBy(() -> evaluate("--answer_pattern", "x"))
        .hasMessageContaining("answer_pattern is x, and nothing looks for it; add pattern_match");
    assertThatThrownBy(() -> evaluate("--metrics", "pattern_match", "--answer_pattern", "[a-"))
        .hasMessageContaining("answer_pattern is [a-, which is no regular expression of Java's: ");
    assertThat(evaluate("--metrics", "pattern_match", "--answer_pattern", "[A-D]").answerPattern())
        .contains("[A-D]");
    assertThatThrownBy(() -> evaluate("--metrics", "bleu"))
        .hasMessageContaining("metrics is bleu; allowed: one or more of loss, exact_match,")
        .hasMessageContaining("rouge_l, chrf");
  }
}
