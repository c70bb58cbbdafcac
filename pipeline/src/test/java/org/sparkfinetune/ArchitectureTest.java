package org.sparkfinetune;

import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAPackage;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAnyPackage;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideOutsideOfPackage;
import static com.tngtech.archunit.core.domain.properties.HasName.Predicates.nameMatching;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.base.DescribedPredicate;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.junit.AnalyzeClasses;
import com.tngtech.archunit.junit.ArchTest;
import com.tngtech.archunit.lang.ArchRule;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

@AnalyzeClasses(
    packages = "org.sparkfinetune",
    importOptions = ImportOption.DoNotIncludeTests.class)
final class ArchitectureTest {
  private static final String OURS = "org.sparkfinetune.";

  /** Who may use whom, besides itself and {@code errors}. */
  private static final Map<String, List<String>> MAY_USE =
      Map.ofEntries(
          Map.entry("errors", List.of()),
          Map.entry("config", List.of()),
          Map.entry("conversation", List.of()),
          Map.entry("hub", List.of()),
          Map.entry("metrics", List.of("progress")),
          Map.entry("mlflow", List.of("metrics")),
          Map.entry("progress", List.of()),
          Map.entry("checkpoint", List.of("metrics", "safetensors")),
          Map.entry("safetensors", List.of()),
          Map.entry("tensor", List.of()),
          Map.entry("exchange", List.of()),
          Map.entry("dataset", List.of()),
          Map.entry("lease", List.of()),
          Map.entry(
              "prepare", List.of("config", "conversation", "dataset", "html", "hub", "lease")),
          Map.entry("html", List.of()),
          Map.entry("report", List.of("html", "metrics")),
          Map.entry("tokenize", List.of("config", "conversation")),
          Map.entry("quant", List.of("tensor", "safetensors")),
          Map.entry("llama", List.of("quant", "tensor", "safetensors")),
          Map.entry("peft", List.of("llama", "quant", "safetensors", "tensor")),
          Map.entry("fsdp", List.of("exchange", "quant", "safetensors", "tensor")),
          Map.entry("sample", List.of("llama", "progress", "quant", "safetensors", "tensor")),
          Map.entry("plan", List.of("config", "llama", "peft", "tensor", "train")),
          Map.entry(
              "export",
              List.of("config", "llama", "peft", "progress", "quant", "safetensors", "tensor")),
          Map.entry(
              "generate",
              List.of(
                  "config",
                  "conversation",
                  "llama",
                  "peft",
                  "quant",
                  "safetensors",
                  "tensor",
                  "tokenize")),
          Map.entry("evaluate", List.of("config", "conversation", "generate", "tokenize")),
          Map.entry(
              "train",
              List.of(
                  "checkpoint",
                  "config",
                  "conversation",
                  "exchange",
                  "fsdp",
                  "llama",
                  "metrics",
                  "peft",
                  "quant",
                  "safetensors",
                  "tensor",
                  "tokenize")),
          Map.entry(
              "launch",
              List.of(
                  "checkpoint",
                  "config",
                  "conversation",
                  "dataset",
                  "evaluate",
                  "exchange",
                  "export",
                  "fsdp",
                  "hub",
                  "generate",
                  "lease",
                  "llama",
                  "metrics",
                  "mlflow",
                  "peft",
                  "plan",
                  "progress",
                  "quant",
                  "report",
                  "safetensors",
                  "tensor",
                  "tokenize",
                  "train")));

  @ArchTest
  static final ArchRule spark_is_used_where_jobs_start_and_data_is_prepared =
      noClasses()
          .that()
          .resideOutsideOfPackages(OURS + "prepare..", OURS + "launch..")
          .should()
          .dependOnClassesThat(
              resideInAPackage("org.apache.spark..")
                  .and(resideOutsideOfPackage("org.apache.spark.network..")))
          .because("the trainer also starts from a plain main in one JVM");

  @ArchTest
  static final ArchRule sparks_transport_is_used_by_the_exchange_alone =
      noClasses()
          .that()
          .resideOutsideOfPackage(OURS + "exchange..")
          .should()
          .dependOnClassesThat()
          .resideInAPackage("org.apache.spark.network..");

  @ArchTest
  static final ArchRule djl_is_behind_two_doors =
      noClasses()
          .that()
          .resideOutsideOfPackages(OURS + "tensor..", OURS + "tokenize..")
          .should()
          .dependOnClassesThat()
          .resideInAPackage("ai.djl..")
          .because("DJL aborts the JVM on calls that one class guards");

  @ArchTest
  static final ArchRule scala_is_spoken_by_one_class =
      noClasses()
          .that(DescribedPredicate.not(nameMatching(".*\\.launch\\.ScalaBridge(\\$.*)?")))
          .should()
          .dependOnClassesThat()
          .resideInAPackage("scala..")
          .because("what Java sees of Scala differs between 2.12 and 2.13");

  @ArchTest
  static final ArchRule packages_form_no_cycles =
      slices().matching(OURS + "(*)..").should().beFreeOfCycles();

  @ArchTest
  static void each_package_uses_only_what_the_design_lets_it_use(JavaClasses ours) {
    MAY_USE.forEach((user, used) -> onlyUses(user, used).check(ours));
  }

  private static ArchRule onlyUses(String user, List<String> used) {
    String[] allowed =
        Stream.concat(used.stream(), Stream.of(user, "errors"))
            .map(name -> OURS + name + "..")
            .toArray(String[]::new);
    DescribedPredicate<JavaClass> forbidden =
        resideInAPackage("org.sparkfinetune..")
            .and(DescribedPredicate.not(resideInAnyPackage(allowed)))
            .as("other packages of ours than " + used);
    return noClasses()
        .that()
        .resideInAPackage(OURS + user + "..")
        .should()
        .dependOnClassesThat(forbidden)
        .allowEmptyShould(true);
  }

  @ArchTest
  static final ArchRule standard_output_belongs_to_the_commands =
      noClasses()
          .should()
          .accessField(System.class, "out")
          .because("results are printed by the commands");

  @ParameterizedTest
  @MethodSource("packages")
  void every_package_is_in_the_table_and_says_what_it_is_for(Path folder) throws IOException {
    assertThat(MAY_USE).containsKey(folder.getFileName().toString());
    assertThat(Files.readString(folder.resolve("package-info.java")))
        .contains("@NullMarked")
        .containsPattern("/\\*\\*\\s*\\n \\* \\w+");
  }

  static Stream<Path> packages() throws IOException {
    Path root = Path.of("src/main/java/org/sparkfinetune");
    try (Stream<Path> entries = Files.list(root)) {
      return entries.filter(Files::isDirectory).sorted().toList().stream();
    }
  }
}
