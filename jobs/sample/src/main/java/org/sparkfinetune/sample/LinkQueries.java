package org.sparkfinetune.sample;

import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.sparkfinetune.sample.QueryTemplate.Example;
import org.sparkfinetune.sample.Schema.Column;

/** Questions that join two tables. The child is always T1, its parent T2. */
// Formats are picked, and know %s alone.
@SuppressWarnings("DefaultLocale")
final class LinkQueries {
  private LinkQueries() {}

  static Stream<QueryTemplate> all() {
    return Stream.<QueryTemplate.OfLink>of(
            LinkQueries::childrenOfNamed,
            LinkQueries::childrenOfNamed,
            LinkQueries::childrenOfChosen,
            LinkQueries::childrenOfChosen,
            LinkQueries::bothSides,
            LinkQueries::parentOfExtreme,
            LinkQueries::parentsOfChosen,
            LinkQueries::countOfNamed,
            LinkQueries::countOfChosen,
            LinkQueries::aggregateOfNamed,
            LinkQueries::aggregateOfChosen,
            LinkQueries::countPerParent,
            LinkQueries::countPerCategory,
            LinkQueries::aggregatePerParent,
            LinkQueries::havingCount,
            LinkQueries::parentWithMost)
        .map(LinkQueries::onlyWithLabel)
        .map(QueryTemplate.OfLink::anyLink);
  }

  private static QueryTemplate.OfLink onlyWithLabel(QueryTemplate.OfLink template) {
    return (link, random) ->
        link.parent().label().isPresent() ? template.example(link, random) : Optional.empty();
  }

  /** "books written by Ada Holm". */
  private static String ofNamed(Schema.Link link, Condition named) {
    return "%s %s the %s %s"
        .formatted(link.child().plural(), link.relation(), link.parent().singular(), named.words());
  }

  /** "books written by authors from Norway". */
  private static String ofChosen(Schema.Link link, Condition chosen) {
    return "%s %s %s %s"
        .formatted(link.child().plural(), link.relation(), link.parent().plural(), chosen.words());
  }

  private static Condition name(Schema.Link link, SeededRandom random) {
    return Condition.on(label(link), random);
  }

  private static Column label(Schema.Link link) {
    return link.parent().label().orElseThrow();
  }

  private static Optional<Example> childrenOfNamed(Schema.Link link, SeededRandom random) {
    Condition named = name(link, random);
    Projection projection = Projection.of(link.child(), List.of(), random);
    return example(
        link,
        English.askForMany(
            random, "the %s of the %s".formatted(projection.plural(), ofNamed(link, named))),
        "SELECT %s %s WHERE %s".formatted(projection.sql("T1."), join(link), named.sql("T2.")));
  }

  private static Optional<Example> childrenOfChosen(Schema.Link link, SeededRandom random) {
    Projection projection = Projection.of(link.child(), List.of(), random);
    return Condition.some(link.parent(), random)
        .flatMap(
            chosen ->
                example(
                    link,
                    English.askForMany(
                        random,
                        "the %s of the %s".formatted(projection.plural(), ofChosen(link, chosen))),
                    "SELECT %s %s WHERE %s"
                        .formatted(projection.sql("T1."), join(link), chosen.sql("T2."))));
  }

  private static Optional<Example> bothSides(Schema.Link link, SeededRandom random) {
    if (link.child().label().isEmpty()) {
      return Optional.empty();
    }
    Column own = link.child().label().get();
    return example(
        link,
        English.askForMany(
            random,
            "the %s of every %s together with the %s of its %s"
                .formatted(
                    own.words(),
                    link.child().singular(),
                    label(link).words(),
                    link.parent().singular())),
        "SELECT T1.%s, T2.%s %s".formatted(own.name(), label(link).name(), join(link)));
  }

  private static Optional<Example> parentOfExtreme(Schema.Link link, SeededRandom random) {
    if (link.child().measures().isEmpty()) {
      return Optional.empty();
    }
    Extreme extreme = Extreme.any(link.child(), random);
    return example(
        link,
        English.askForOne(
            random,
            "the %s of the %s of the %s"
                .formatted(
                    label(link).words(), link.parent().singular(), extreme.one(link.child(), ""))),
        "SELECT T2.%s %s ORDER BY %s LIMIT 1"
            .formatted(label(link).name(), join(link), extreme.order("T1.")));
  }

  private static Optional<Example> parentsOfChosen(Schema.Link link, SeededRandom random) {
    return Condition.some(link.child(), random)
        .flatMap(
            chosen ->
                example(
                    link,
                    English.askForMany(
                        random,
                        "the different %s of the %s of %s %s"
                            .formatted(
                                English.plural(label(link).words()),
                                link.parent().plural(),
                                link.child().plural(),
                                chosen.words())),
                    "SELECT DISTINCT T2.%s %s WHERE %s"
                        .formatted(label(link).name(), join(link), chosen.sql("T1."))));
  }

  private static Optional<Example> countOfNamed(Schema.Link link, SeededRandom random) {
    Condition named = name(link, random);
    return example(
        link,
        English.askHowMany(random, ofNamed(link, named)),
        "SELECT COUNT(*) %s WHERE %s".formatted(join(link), named.sql("T2.")));
  }

  private static Optional<Example> countOfChosen(Schema.Link link, SeededRandom random) {
    return Condition.some(link.parent(), random)
        .flatMap(
            chosen ->
                example(
                    link,
                    English.askHowMany(random, ofChosen(link, chosen)),
                    "SELECT COUNT(*) %s WHERE %s".formatted(join(link), chosen.sql("T2."))));
  }

  private static Optional<Example> aggregateOfNamed(Schema.Link link, SeededRandom random) {
    Condition named = name(link, random);
    return Aggregate.any(link.child(), random)
        .flatMap(
            aggregate ->
                example(
                    link,
                    English.askForOne(
                        random,
                        "the %s of the %s"
                            .formatted(aggregate.words(random), ofNamed(link, named))),
                    "SELECT %s %s WHERE %s"
                        .formatted(aggregate.sql("T1."), join(link), named.sql("T2."))));
  }

  private static Optional<Example> aggregateOfChosen(Schema.Link link, SeededRandom random) {
    return Aggregate.any(link.child(), random)
        .flatMap(
            aggregate ->
                Condition.some(link.parent(), random)
                    .flatMap(
                        chosen ->
                            example(
                                link,
                                English.askForOne(
                                    random,
                                    "the %s of the %s"
                                        .formatted(
                                            aggregate.words(random), ofChosen(link, chosen))),
                                "SELECT %s %s WHERE %s"
                                    .formatted(
                                        aggregate.sql("T1."), join(link), chosen.sql("T2.")))));
  }

  private static Optional<Example> countPerParent(Schema.Link link, SeededRandom random) {
    return example(
        link,
        random
            .pick(
                "For each %1$s %2$s has %3$s, show the %4$s and the number of %3$s.",
                "How many %3$s does each %1$s have, leaving out those without any? Show the %4$s"
                    + " too.",
                "Count the %3$s of every %1$s %2$s has some, and give the %4$s of the %1$s.")
            .formatted(
                link.parent().singular(),
                link.parent().who(),
                link.child().plural(),
                label(link).words()),
        "SELECT T2.%s, COUNT(*) %s GROUP BY T2.%s"
            .formatted(label(link).name(), join(link), link.key().name()));
  }

  private static Optional<Example> countPerCategory(Schema.Link link, SeededRandom random) {
    if (link.parent().categories().isEmpty()) {
      return Optional.empty();
    }
    Column by = random.pick(link.parent().categories());
    return example(
        link,
        random
            .pick(
                "For each %1$s of the %2$s, show the %1$s and the number of %3$s %4$s those %2$s.",
                "Group the %3$s %4$s %2$s by the %1$s of the %5$s: show the %1$s and the number of"
                    + " %3$s.")
            .formatted(
                by.words(),
                link.parent().plural(),
                link.child().plural(),
                link.relation(),
                link.parent().singular()),
        "SELECT T2.%1$s, COUNT(*) %2$s GROUP BY T2.%1$s".formatted(by.name(), join(link)));
  }

  private static Optional<Example> aggregatePerParent(Schema.Link link, SeededRandom random) {
    return Aggregate.any(link.child(), random)
        .flatMap(
            aggregate ->
                example(
                    link,
                    random
                        .pick(
                            "For each %1$s %5$s has %2$s, show the %4$s and the %3$s of the %2$s.",
                            "What is the %3$s of the %2$s of every %1$s %5$s has some? Give the"
                                + " %4$s of the %1$s too.")
                        .formatted(
                            link.parent().singular(),
                            link.child().plural(),
                            aggregate.words(random),
                            label(link).words(),
                            link.parent().who()),
                    "SELECT T2.%s, %s %s GROUP BY T2.%s"
                        .formatted(
                            label(link).name(),
                            aggregate.sql("T1."),
                            join(link),
                            link.key().name())));
  }

  private static Optional<Example> havingCount(Schema.Link link, SeededRandom random) {
    boolean more = random.chance(0.5);
    int limit = random.between(2, 15);
    return example(
        link,
        random
            .pick(
                "Which %1$s have %2$s %3$s %4$s? Give their %5$s.",
                "List the %5$s of the %1$s with %2$s %3$s %4$s.",
                "Find the %5$s of all %1$s that have %2$s %3$s %4$s.")
            .formatted(
                link.parent().plural(),
                more ? "more than" : "at least",
                limit,
                link.child().plural(),
                English.plural(label(link).words())),
        "SELECT T2.%s %s GROUP BY T2.%s HAVING COUNT(*) %s %s"
            .formatted(
                label(link).name(), join(link), link.key().name(), more ? ">" : ">=", limit));
  }

  private static Optional<Example> parentWithMost(Schema.Link link, SeededRandom random) {
    return example(
        link,
        English.askForOne(
            random,
            "the %s of the %s with the %s %s"
                .formatted(
                    label(link).words(),
                    link.parent().singular(),
                    random.pick("most", "largest number of"),
                    link.child().plural())),
        "SELECT T2.%s %s GROUP BY T2.%s ORDER BY COUNT(*) DESC LIMIT 1"
            .formatted(label(link).name(), join(link), link.key().name()));
  }

  private static String join(Schema.Link link) {
    return "FROM %1$s AS T1 JOIN %2$s AS T2 ON T1.%3$s = T2.%3$s"
        .formatted(link.child().name(), link.parent().name(), link.key().name());
  }

  private static Optional<Example> example(Schema.Link link, String question, String sql) {
    return Optional.of(new Example(List.of(link.child(), link.parent()), question, sql));
  }
}
