package org.sparkfinetune.jobs;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.sparkfinetune.jobs.LocalSubmit.Submission;

class LocalSubmitTest {
  @TempDir private Path folder;

  private static Optional<Submission> of(String options, String... arguments) {
    List<String> words = new ArrayList<>();
    if (!options.isEmpty()) {
      words.addAll(List.of(options.split(" ")));
    }
    words.addAll(List.of("--class", "org.sparkfinetune.jobs.Main", "spark-internal"));
    words.addAll(List.of(arguments));
    return Submission.of(words);
  }

  @Test
  void settings_of_options_come_before_those_of_conf_and_these_before_the_files()
      throws IOException {
    Path file = folder.resolve("local.conf");
    Files.writeString(
        file,
        """
        # A comment
        spark.master                local-cluster[2,1,768]
        spark.driver.memory=1g
        spark.cores.max: 2
        spark.executor.memory  768m\u0020
        """);
    Submission found =
        of(
                "--properties-file "
                    + file
                    + " --conf spark.driver.memory=2g --driver-memory 3g"
                    + " --conf=spark.cores.max=4 --conf spark.a.b=c=d",
                "train",
                "--conf",
                "--master")
            .orElseThrow();
    assertThat(found.settings())
        .containsEntry("spark.master", "local-cluster[2,1,768]")
        .containsEntry("spark.driver.memory", "3g")
        .containsEntry("spark.cores.max", "4")
        .containsEntry("spark.executor.memory", "768m")
        .containsEntry("spark.a.b", "c=d")
        .hasSize(5);
    assertThat(found.arguments()).containsExactly("train", "--conf", "--master");
  }

  @Test
  void without_a_master_it_is_all_cores_of_this_machine() {
    assertThat(of("").orElseThrow().settings()).containsEntry("spark.master", "local[*]");
    assertThat(of("--master=local[1]").orElseThrow().settings())
        .containsEntry("spark.master", "local[1]");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "--master spark://host:7077",
        "--packages a:b:1",
        "--jars a.jar",
        "--verbose --master local[1]",
        "--conf spark.jars=a.jar",
        "--conf spark.jars.packages=a:b:1",
        "--conf spark.submit.deployMode=cluster",
        "--conf spark.kerberos.principal=me",
        "--conf other.key=1",
        "--conf spark.no.value",
        "--properties-file /nowhere/at/all",
        "--master"
      })
  void what_asks_for_more_than_settings_is_for_spark_submit(String options) {
    assertThat(of(options, "check")).isEmpty();
  }

  @Test
  void another_class_is_for_spark_submit() {
    assertThat(Submission.of(List.of("--class", "org.example.Other", "spark-internal"))).isEmpty();
    assertThat(Submission.of(List.of("--version"))).isEmpty();
  }
}
