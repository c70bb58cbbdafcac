package org.sparkfinetune.sample;

import java.util.List;
import java.util.Optional;
import org.sparkfinetune.sample.Schema.Table;

/** One way of asking. */
interface QueryTemplate {
  /** Empty where {@code schema} has nothing to ask about in this way. */
  Optional<Example> example(Schema schema, SeededRandom random);

  /** A way of asking about one table. */
  interface OfTable {
    Optional<Example> example(Table table, SeededRandom random);

    default QueryTemplate anyTable() {
      return (schema, random) -> example(random.pick(schema.tables()), random);
    }
  }

  /** A way of asking about two tables. */
  interface OfLink {
    Optional<Example> example(Schema.Link link, SeededRandom random);

    default QueryTemplate anyLink() {
      return (schema, random) -> example(random.pick(schema.links()), random);
    }
  }

  /** A question and its query, before the tables around it are chosen. */
  record Example(List<Table> tables, String question, String sql) {}
}
