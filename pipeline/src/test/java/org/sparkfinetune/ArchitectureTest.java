package org.sparkfinetune;

import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAPackage;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAnyPackage;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideOutsideOfPackage;
import static com.tngtech.archunit.core.domain.properties.HasName.Predicates.nameMatching;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
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
import com.tngtech.archunit.library.dependencies.SliceAssignment;
import com.tngtech.archunit.library.dependencies.SliceIdentifier;
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
  private static final Path ROOT = Path.of("src/main/java/org/sparkfinetune");

  /** Open to every floor. */
  private static final List<String> GROUND = List.of("config", "errors", "progress", "store");

  /** Which floors a floor may use, besides itself and the ground floor. */
  private static final Map<String, List<String>> FLOORS =
      Map.of(
          "data", List.of(),
          "model", List.of(),
          "engine", List.of("data", "model"),
          "plan", List.of("engine", "model"),
          "inference", List.of("data", "engine", "model"),
          "report", List.of("engine"),
          "bench", List.of("engine", "model"),
          "spark", List.of("data", "engine", "inference", "model", "plan", "report"));

  @ArchTest
  static void a_floor_uses_only_what_lies_below(JavaClasses ours) {
    GROUND.forEach(floor -> uses(floor, List.of()).check(ours));
    FLOORS.forEach((floor, below) -> uses(floor, below).check(ours));
  }

  private static ArchRule uses(String floor, List<String> below) {
    String[] allowed =
        Stream.of(List.of(floor), below, GROUND)
            .flatMap(List::stream)
            .map(name -> OURS + name + "..")
            .toArray(String[]::new);
    return classes()
        .that()
        .resideInAPackage(OURS + floor + "..")
        .should()
        .onlyDependOnClassesThat(
            resideOutsideOfPackage("org.sparkfinetune..").or(resideInAnyPackage(allowed)));
  }

  @ArchTest
  static final ArchRule rooms_form_no_cycles =
      slices().assignedFrom(new Rooms()).should().beFreeOfCycles();

  @ArchTest
  static final ArchRule spark_is_used_by_the_commands =
      noClasses()
          .that()
          .resideOutsideOfPackage(OURS + "spark..")
          .should()
          .dependOnClassesThat(
              resideInAPackage("org.apache.spark..")
                  .and(resideOutsideOfPackage("org.apache.spark.network..")))
          .because("the trainer also starts from a plain main in one JVM");

  @ArchTest
  static final ArchRule sparks_transport_is_used_by_the_exchange_alone =
      noClasses()
          .that()
          .resideOutsideOfPackage(OURS + "engine.exchange")
          .should()
          .dependOnClassesThat()
          .resideInAPackage("org.apache.spark.network..");

  @ArchTest
  static final ArchRule djl_is_behind_two_doors =
      noClasses()
          .that()
          .resideOutsideOfPackages(OURS + "engine.tensor", OURS + "data.tokenize")
          .should()
          .dependOnClassesThat()
          .resideInAPackage("ai.djl..")
          .because("DJL aborts the JVM on calls that one class guards");

  @ArchTest
  static final ArchRule scala_is_spoken_by_one_class =
      noClasses()
          .that(DescribedPredicate.not(nameMatching(".*\\.ScalaBridge(\\$.*)?")))
          .should()
          .dependOnClassesThat()
          .resideInAPackage("scala..")
          .because("what Java sees of Scala differs between 2.12 and 2.13");

  @ArchTest
  static final ArchRule standard_output_belongs_to_the_commands =
      noClasses()
          .should()
          .accessField(System.class, "out")
          .because("results are printed by the commands");

  @ParameterizedTest
  @MethodSource("rooms")
  void every_room_says_what_it_is_for(Path room) throws IOException {
    assertThat(FLOORS.containsKey(floor(room)) || GROUND.contains(floor(room))).isTrue();
    assertThat(Files.readString(room.resolve("package-info.java")))
        .contains("@NullMarked")
        .containsPattern("/\\*\\*\\s*\\n \\* \\w+");
  }

  /** Every folder with classes below the root. */
  static Stream<Path> rooms() throws IOException {
    try (Stream<Path> all = Files.walk(ROOT)) {
      return all
          .filter(path -> path.toString().endsWith(".java"))
          .map(Path::getParent)
          .filter(room -> !room.equals(ROOT))
          .distinct()
          .sorted()
          .toList()
          .stream();
    }
  }

  private static String floor(Path room) {
    return ROOT.relativize(room).getName(0).toString();
  }

  /** A package is a room. */
  private static final class Rooms implements SliceAssignment {
    @Override
    public SliceIdentifier getIdentifierOf(JavaClass javaClass) {
      String room = javaClass.getPackageName();
      return room.startsWith(OURS) ? SliceIdentifier.of(room) : SliceIdentifier.ignore();
    }

    @Override
    public String getDescription() {
      return "rooms";
    }
  }
}
