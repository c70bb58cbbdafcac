package org.sparkfinetune.sample;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;

/** The sample's text-to-SQL rows, the same for the same seed. */
public final class SampleRows {
  private static final int ROWS_PER_SCHEMA = 50;
  private static final int ANSWERS_ALIKE = 2;
  private static final double OTHER_TABLE = 0.3;
  private static final double OTHER_COLUMN = 0.75;
  private static final List<QueryTemplate> TEMPLATES =
      Stream.of(
              RowQueries.all(),
              NumberQueries.all(),
              GroupQueries.all(),
              NestedQueries.all(),
              LinkQueries.all(),
              ChainQueries.all())
          .flatMap(templates -> templates)
          .toList();

  private final Dice dice;
  private final Set<String> questions = new HashSet<>();
  private final Map<String, Integer> answers = new HashMap<>();

  private SampleRows(Dice dice) {
    this.dice = dice;
  }

  /** The same number of rows for each schema, in an order that mixes them. */
  public static List<SampleRow> generate(long seed) {
    SampleRows rows = new SampleRows(new Dice(seed));
    List<SampleRow> all = new ArrayList<>();
    for (Schema schema : SchemaFile.read()) {
      all.addAll(rows.of(schema));
    }
    return rows.dice.some(all, all.size());
  }

  private List<SampleRow> of(Schema schema) {
    List<SampleRow> rows = new ArrayList<>();
    while (rows.size() < ROWS_PER_SCHEMA) {
      for (QueryTemplate template : dice.some(TEMPLATES, ROWS_PER_SCHEMA - rows.size())) {
        template
            .draft(schema, dice)
            .filter(this::isNew)
            .map(draft -> row(schema, draft))
            .ifPresent(rows::add);
      }
    }
    return rows;
  }

  private boolean isNew(Draft draft) {
    return answers.merge(draft.sql(), 1, Integer::sum) <= ANSWERS_ALIKE
        && questions.add(draft.question());
  }

  private SampleRow row(Schema schema, Draft draft) {
    List<String> statements = new ArrayList<>();
    Set<String> named = Sql.names(draft.sql());
    for (Table table : dice.some(schema.tables(), schema.tables().size())) {
      if (draft.tables().contains(table) || dice.chance(OTHER_TABLE)) {
        statements.add(Sql.createTable(table, kept(table, named)));
      }
    }
    return new SampleRow(
        schema.name(),
        Sql.skeleton(draft.sql()),
        English.sentence(draft.question()),
        String.join("; ", statements),
        draft.sql());
  }

  /** What the answer names, keys, and most of the rest: a context is seldom a whole database. */
  private List<Column> kept(Table table, Set<String> named) {
    return table.columns().stream()
        .filter(
            column ->
                !column.isDescription()
                    || named.contains(column.name())
                    || dice.chance(OTHER_COLUMN))
        .toList();
  }
}
