package org.sparkfinetune.sample;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.sparkfinetune.sample.QueryTemplate.Example;
import org.sparkfinetune.sample.Schema.Column;
import org.sparkfinetune.sample.Schema.Table;

/** Questions that join three tables: a child, its parent, and its grandparent or other parent. */
final class ChainQueries {
  private ChainQueries() {}

  /** {@code second} starts where {@code first} ends (a chain), or where it starts (a meeting). */
  private record Path(Schema.Link first, Schema.Link second) {
    boolean isChain() {
      return second.child().equals(first.parent());
    }

    String join() {
      return "FROM %s AS T1 JOIN %s AS T2 ON T1.%3$s = T2.%3$s JOIN %4$s AS T3 ON %5$s.%6$s = T3.%6$s"
          .formatted(
              first.child().name(),
              first.parent().name(),
              first.key().name(),
              second.parent().name(),
              isChain() ? "T2" : "T1",
              second.key().name());
    }

    /** "loans of books written by" or "roles in the play ... played by". */
    String nearTo(Condition far) {
      return isChain()
          ? "%s %s %s %s %s %s"
              .formatted(
                  first.child().plural(),
                  first.relation(),
                  first.parent().plural(),
                  second.relation(),
                  second.parent().plural(),
                  far.words())
          : "%s %s %s %s"
              .formatted(
                  first.child().plural(), second.relation(), second.parent().plural(), far.words());
    }

    Example example(String question, String sql) {
      return new Example(List.of(first.child(), first.parent(), second.parent()), question, sql);
    }
  }

  private interface OfPath {
    Optional<Example> example(Path path, SeededRandom random);
  }

  static Stream<QueryTemplate> all() {
    return Stream.<OfPath>of(
            ChainQueries::childrenOfFar,
            ChainQueries::countOfFar,
            ChainQueries::aggregateOfFar,
            ChainQueries::middleOfFar,
            ChainQueries::bothNames)
        .map(ChainQueries::anyPath);
  }

  private static QueryTemplate anyPath(OfPath template) {
    return (schema, random) -> {
      List<Path> paths = paths(schema);
      return paths.isEmpty() ? Optional.empty() : template.example(random.pick(paths), random);
    };
  }

  private static List<Path> paths(Schema schema) {
    List<Path> paths = new ArrayList<>();
    for (Schema.Link first : schema.links()) {
      for (Schema.Link second : schema.links()) {
        boolean meeting = first.child().equals(second.child()) && !first.equals(second);
        if (meeting || second.child().equals(first.parent())) {
          paths.add(new Path(first, second));
        }
      }
    }
    return paths;
  }

  /** Rows of the child asked for by something about the far table. */
  private static Optional<Example> childrenOfFar(Path path, SeededRandom random) {
    Projection projection = Projection.of(path.first().child(), List.of(), random);
    return farCondition(path, random)
        .filter(far -> path.isChain())
        .map(
            far ->
                path.example(
                    English.askForMany(
                        random,
                        "the %s of the %s".formatted(projection.plural(), path.nearTo(far))),
                    "SELECT %s %s WHERE %s"
                        .formatted(projection.sql("T1."), path.join(), far.sql("T3."))));
  }

  private static Optional<Example> countOfFar(Path path, SeededRandom random) {
    return farCondition(path, random)
        .filter(far -> path.isChain())
        .map(
            far ->
                path.example(
                    English.askHowMany(random, path.nearTo(far)),
                    "SELECT COUNT(*) %s WHERE %s".formatted(path.join(), far.sql("T3."))));
  }

  private static Optional<Example> aggregateOfFar(Path path, SeededRandom random) {
    return farCondition(path, random)
        .filter(far -> path.isChain())
        .flatMap(
            far ->
                Aggregate.any(path.first().child(), random)
                    .map(
                        aggregate ->
                            path.example(
                                English.askForOne(
                                    random,
                                    "the %s of the %s"
                                        .formatted(aggregate.words(random), path.nearTo(far))),
                                "SELECT %s %s WHERE %s"
                                    .formatted(
                                        aggregate.sql("T1."), path.join(), far.sql("T3.")))));
  }

  /** The one parent asked for by something about the other, where a table has two. */
  private static Optional<Example> middleOfFar(Path path, SeededRandom random) {
    Optional<Column> label = path.first().parent().label();
    if (path.isChain() || label.isEmpty()) {
      return Optional.empty();
    }
    return farCondition(path, random)
        .map(
            far ->
                path.example(
                    English.askForMany(
                        random,
                        "the different %s of the %s of %s"
                            .formatted(
                                English.plural(label.get().words()),
                                path.first().parent().plural(),
                                path.nearTo(far))),
                    "SELECT DISTINCT T2.%s %s WHERE %s"
                        .formatted(label.get().name(), path.join(), far.sql("T3."))));
  }

  private static Optional<Example> bothNames(Path path, SeededRandom random) {
    Optional<Column> middle = path.first().parent().label();
    Optional<Column> far = path.second().parent().label();
    if (middle.isEmpty() || far.isEmpty()) {
      return Optional.empty();
    }
    return Condition.some(path.first().child(), random)
        .map(
            chosen ->
                path.example(
                    English.askForMany(
                        random,
                        "the %s of the %s and the %s of the %s of all %s %s"
                            .formatted(
                                middle.get().words(),
                                path.first().parent().singular(),
                                far.get().words(),
                                path.second().parent().singular(),
                                path.first().child().plural(),
                                chosen.words())),
                    "SELECT T2.%s, T3.%s %s WHERE %s"
                        .formatted(
                            middle.get().name(),
                            far.get().name(),
                            path.join(),
                            chosen.sql("T1."))));
  }

  private static Optional<Condition> farCondition(Path path, SeededRandom random) {
    Table far = path.second().parent();
    return far.label().isPresent() && random.chance(0.4)
        ? far.label().map(label -> Condition.on(label, random))
        : Condition.some(far, random);
  }
}
