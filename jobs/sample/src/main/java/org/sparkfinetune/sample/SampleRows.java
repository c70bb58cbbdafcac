package org.sparkfinetune.sample;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.sparkfinetune.sample.QueryTemplate.Example;
import org.sparkfinetune.sample.Schema.Column;
import org.sparkfinetune.sample.Schema.Table;

/**
 * The sample's text-to-SQL rows, the same for the same seed.
 *
 * <p>Of five databases the shipped model was trained on two, and one is kept to fine-tune it on.
 * What it learns are plain queries of one table: joins and nested queries, and more databases, take
 * a larger model than a repository should hold and more than the minutes that training it takes.
 */
final class SampleRows {
  private static final double OTHER_TABLE = 0.3;
  private static final double OTHER_COLUMN = 0.75;
  private static final int FIVE = 5;
  private static final List<QueryTemplate> ALL =
      Stream.of(
              RowQueries.all(),
              NumberQueries.all(),
              GroupQueries.all(),
              NestedQueries.all(),
              LinkQueries.all(),
              ChainQueries.all())
          .flatMap(templates -> templates)
          .toList();
  private static final List<QueryTemplate> PLAIN =
      Stream.of(RowQueries.plain(), NumberQueries.plain(), GroupQueries.plain())
          .flatMap(templates -> templates)
          .toList();

  /**
   * @param answersAlike how often a query may be asked for, in other words
   */
  private record Plan(List<QueryTemplate> templates, int rowsPerSchema, int answersAlike) {}

  private final Plan plan;
  private final SeededRandom random;
  private final Set<String> questions = new HashSet<>();
  private final Map<String, Integer> answers = new HashMap<>();

  private SampleRows(Plan plan, SeededRandom random) {
    this.plan = plan;
    this.random = random;
  }

  /** Rows of all kinds over all databases. */
  static List<Row> generate(long seed) {
    return rows(SchemaFile.read(), new Plan(ALL, 50, 2), seed);
  }

  /** What the shipped model was trained on: plain queries over two databases of five. */
  static List<Row> pretraining(long seed) {
    return rows(databases(Set.of(0, 2)), new Plan(PLAIN, 2_000, 8), seed);
  }

  /**
   * Plain queries over the databases that the shipped model has never seen. No answer comes twice:
   * none of a test split was trained on.
   */
  static List<Row> ofNewDatabases(long seed) {
    return rows(databases(Set.of(4)), new Plan(PLAIN, 130, 1), seed);
  }

  private static List<Schema> databases(Set<Integer> ofFive) {
    List<Schema> all = SchemaFile.read();
    return IntStream.range(0, all.size())
        .filter(i -> ofFive.contains(i % FIVE))
        .mapToObj(all::get)
        .toList();
  }

  /** The same number of rows for each schema, in an order that mixes them. */
  private static List<Row> rows(List<Schema> schemas, Plan plan, long seed) {
    SampleRows rows = new SampleRows(plan, new SeededRandom(seed));
    List<Row> all = new ArrayList<>();
    for (Schema schema : schemas) {
      all.addAll(rows.of(schema));
    }
    return rows.random.sample(all, all.size());
  }

  private List<Row> of(Schema schema) {
    List<Row> rows = new ArrayList<>();
    while (rows.size() < plan.rowsPerSchema()) {
      for (QueryTemplate template :
          random.sample(plan.templates(), plan.rowsPerSchema() - rows.size())) {
        template
            .example(schema, random)
            .filter(this::isNew)
            .map(example -> row(schema, example))
            .ifPresent(rows::add);
      }
    }
    return rows;
  }

  private boolean isNew(Example example) {
    return answers.merge(example.sql(), 1, Integer::sum) <= plan.answersAlike()
        && questions.add(example.question());
  }

  private Row row(Schema schema, Example example) {
    List<String> statements = new ArrayList<>();
    Set<String> named = Sql.names(example.sql());
    for (Table table : random.sample(schema.tables(), schema.tables().size())) {
      if (example.tables().contains(table) || random.chance(OTHER_TABLE)) {
        statements.add(Sql.createTable(table, kept(table, named)));
      }
    }
    return new Row(
        schema.name(),
        Sql.skeleton(example.sql()),
        English.sentence(example.question()),
        String.join("; ", statements),
        example.sql());
  }

  /** What the answer names, keys, and most of the rest: a context is seldom a whole database. */
  private List<Column> kept(Table table, Set<String> named) {
    return table.columns().stream()
        .filter(
            column ->
                !column.isDescription()
                    || named.contains(column.name())
                    || random.chance(OTHER_COLUMN))
        .toList();
  }

  /**
   * One example, with what a split without leaks needs to know.
   *
   * @param schema the database that it asks about
   * @param skeleton the answer without names and values
   * @param context the tables, as {@code CREATE TABLE} statements
   * @param answer runs in SQLite against the context
   */
  record Row(String schema, String skeleton, String question, String context, String answer) {}
}
