package org.sparkfinetune.jobs;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.CompletionException;
import org.apache.hadoop.security.AccessControlException;
import org.apache.spark.SparkException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.jobs.Jobs.Checked;
import org.sparkfinetune.jobs.Jobs.OutputForm;
import org.sparkfinetune.jobs.Jobs.PlanRequest;
import org.sparkfinetune.jobs.Jobs.Request;

final class MainTest {
  private final StringWriter out = new StringWriter();
  private final StringWriter err = new StringWriter();
  private final RecordingJobs jobs = new RecordingJobs();

  @Test
  void a_command_gets_its_file_and_every_other_word_in_order() {
    int code =
        run(
            "train",
            "--learning_rate",
            "1e-4",
            "--config",
            "a.yaml",
            "--fsdp",
            "full_shard auto_wrap",
            "--packing");

    assertThat(code).isZero();
    assertThat(jobs.requests)
        .containsExactly(
            new Request(
                Optional.of("a.yaml"),
                List.of("--learning_rate", "1e-4", "--fsdp", "full_shard auto_wrap", "--packing")));
  }

  @Test
  void negative_numbers_and_equal_signs_reach_the_configuration() {
    run("prepare", "--seed=-1", "--num_samples", "-5");

    assertThat(jobs.requests)
        .containsExactly(
            new Request(Optional.empty(), List.of("--seed=-1", "--num_samples", "-5")));
  }

  @Test
  void plan_prints_its_result_and_takes_keys_beside_its_own_options() {
    int code =
        run("plan", "--gpu_type", "L20", "--lora_r", "8", "--gpus", "4", "--json", "--tokens=99");

    assertThat(code).isZero();
    assertThat(out).hasToString("a plan" + System.lineSeparator());
    assertThat(jobs.plans)
        .containsExactly(
            new PlanRequest(
                new Request(Optional.empty(), List.of("--lora_r", "8")),
                Optional.of(4),
                "L20",
                Optional.empty(),
                Optional.empty(),
                OptionalLong.of(99),
                OutputForm.JSON));
  }

  @Test
  void check_prints_what_it_found_and_exits_2_if_something_has_to_be_changed() {
    assertThat(run("check", "--json")).isZero();
    jobs.outcome = Checked.Outcome.MUST_CHANGE;
    assertThat(run("check", "--lora_r", "4")).isEqualTo(2);
    assertThat(out.toString().lines()).containsExactly("JSON", "TEXT");
    assertThat(err.toString()).isEmpty();
  }

  @Test
  void a_user_error_is_its_message_alone_and_exit_code_2() {
    jobs.failure = Optional.of(new UserError("unknown key lora_rr; did you mean lora_r?"));

    assertThat(run("train")).isEqualTo(2);
    assertThat(err)
        .hasToString("unknown key lora_rr; did you mean lora_r?" + System.lineSeparator());
  }

  @Test
  void a_run_failure_is_its_message_alone_and_exit_code_1_however_deep_it_is_wrapped() {
    jobs.failure =
        Optional.of(
            new CompletionException(new IllegalStateException(new RunFailure("rank 1 died"))));

    assertThat(run("train")).isEqualTo(1);
    assertThat(err).hasToString("rank 1 died" + System.lineSeparator());
  }

  @Test
  void anything_else_is_our_bug_with_its_stack_trace_and_exit_code_1() {
    jobs.failure = Optional.of(new IllegalStateException("boom"));

    assertThat(run("train")).isEqualTo(1);
    assertThat(err.toString())
        .contains("mistake in spark-finetune", "boom", "at org.sparkfinetune");
  }

  @Test
  void what_machines_stores_and_spark_do_is_no_bug_of_ours_and_has_no_stack_trace() {
    Map<Throwable, String> conditions = new LinkedHashMap<>();
    conditions.put(
        new SparkException("Job aborted", new IOException("No space left on device")),
        "Reading or writing failed: IOException: No space left on device.");
    conditions.put(
        new UncheckedIOException(new AccessControlException("Permission denied: user=a")),
        "AccessControlException: Permission denied: user=a.");
    conditions.put(
        new SparkException("Job aborted due to stage failure: ExecutorLostFailure\n\tat x"),
        "Spark ended the job: Job aborted due to stage failure: ExecutorLostFailure.");
    conditions.put(
        new IllegalStateException("Cannot call methods on a stopped SparkContext.\nmore"),
        "Spark ended the job: Cannot call methods on a stopped SparkContext.");
    conditions.put(new OutOfMemoryError("Java heap space"), "--driver-memory");
    conditions.put(new CompletionException(new InterruptedException()), "was interrupted");
    conditions.forEach(
        (thrown, message) -> {
          StringWriter text = new StringWriter();
          assertThat(Failure.report(thrown, new PrintWriter(text, true))).isEqualTo(1);
          assertThat(text.toString())
              .contains(message)
              .doesNotContain("mistake in spark-finetune", "\tat ");
        });
  }

  @Test
  void a_library_that_cannot_be_loaded_is_the_users_to_mend() {
    for (Throwable thrown :
        List.of(
            new UnsatisfiedLinkError("libc.so.6: version `GLIBC_2.28' not found"),
            new SparkException("Job aborted", new ClassNotFoundException("org.sparkfinetune.X")))) {
      StringWriter text = new StringWriter();
      assertThat(Failure.report(thrown, new PrintWriter(text, true))).isEqualTo(2);
      assertThat(text.toString())
          .contains("cannot be loaded")
          .doesNotContain("mistake in spark-finetune", "\tat ");
    }
  }

  @Test
  void a_mistake_of_ours_in_a_task_is_still_one() {
    StringWriter text = new StringWriter();
    Throwable thrown = new SparkException("Job aborted", new NullPointerException("x is null"));
    assertThat(Failure.report(thrown, new PrintWriter(text, true))).isEqualTo(1);
    assertThat(text.toString()).contains("mistake in spark-finetune", "x is null");
  }

  @Test
  void help_of_a_command_names_every_key_with_its_default() {
    assertThat(run("train", "--help")).isZero();
    assertThat(out.toString()).contains("--config", "--learning_rate", "[2.0E-4]", "--lora_r");
    assertThat(jobs.requests).isEmpty();
  }

  @Test
  void tokenize_prints_its_result_and_nothing_else() {
    assertThat(run("tokenize", "--max_seq_length", "64")).isZero();
    assertThat(out).hasToString("{\"rows\":1}" + System.lineSeparator());
    assertThat(jobs.requests)
        .containsExactly(new Request(Optional.empty(), List.of("--max_seq_length", "64")));
  }

  @Test
  void help_names_the_commands() {
    assertThat(run("--help")).isZero();
    assertThat(out.toString())
        .contains("prepare", "tokenize", "train", "parity", "make-model")
        .doesNotContain("make-sample");
  }

  @Test
  void an_unknown_command_or_none_is_the_users_to_mend() {
    assertThat(run("trian")).isEqualTo(2);
    assertThat(err.toString()).contains("trian", "train", "--help").doesNotContain("\tat ");
    assertThat(run()).isEqualTo(2);
  }

  @Test
  void make_model_says_which_shapes_there_are() {
    assertThat(run("make-model", "--shape", "llama-9", "--output", "unused")).isEqualTo(2);
    assertThat(err.toString()).contains("llama-9", "llama-3-8b");
  }

  @Test
  void make_model_takes_a_folder_of_this_machine_as_a_path_or_a_uri(@TempDir Path folder) {
    String model = folder.resolve("model").toUri().toString();
    assertThat(run("make-model", "--shape", "sample", "--output", model)).isZero();
    assertThat(folder.resolve("model/config.json")).exists();

    assertThat(run("make-model", "--shape", "sample", "--output", "hdfs://n/model")).isEqualTo(2);
    assertThat(err.toString()).contains("'hdfs://n/model' is not on this machine");
  }

  @Test
  void only_local_masters_end_by_an_exit() {
    assertThat(Main.isLocal("local[2]")).isTrue();
    assertThat(Main.isLocal("local-cluster[2,1,1024]")).isTrue();
    assertThat(Main.isLocal("spark://host:7077")).isFalse();
    assertThat(Main.isLocal("yarn")).isFalse();
  }

  private int run(String... words) {
    return Main.run(words, jobs, new PrintWriter(out, true), new PrintWriter(err, true));
  }

  private static final class RecordingJobs implements Jobs {
    private final List<Request> requests = new ArrayList<>();
    private final List<PlanRequest> plans = new ArrayList<>();
    private Checked.Outcome outcome = Checked.Outcome.CAN_TRAIN;
    private Optional<RuntimeException> failure = Optional.empty();

    @Override
    public void prepare(Request request) {
      record(request);
    }

    @Override
    public void train(Request request) {
      record(request);
    }

    @Override
    public void generate(Request request, OutputForm form) {
      record(request);
    }

    @Override
    public void evaluate(Request request, OutputForm form) {
      record(request);
    }

    @Override
    public void merge(Request request) {
      record(request);
    }

    @Override
    public List<String> plan(PlanRequest request) {
      plans.add(request);
      record(request.configured());
      return List.of("a plan");
    }

    @Override
    public Checked check(Request request, OutputForm output) {
      record(request);
      return new Checked(List.of(output.toString()), outcome);
    }

    @Override
    public String tokenize(Request request) {
      record(request);
      return "{\"rows\":1}";
    }

    private void record(Request request) {
      requests.add(request);
      failure.ifPresent(
          thrown -> {
            throw thrown;
          });
    }
  }
}
