package org.sparkfinetune.sample;

import java.util.Optional;

/** One way of asking. */
interface QueryTemplate {
  /** Empty where {@code schema} has nothing to ask about in this way. */
  Optional<Draft> draft(Schema schema, Dice dice);

  /** A way of asking about one table. */
  interface OfTable {
    Optional<Draft> draft(Table table, Dice dice);

    default QueryTemplate anyTable() {
      return (schema, dice) -> draft(dice.pick(schema.tables()), dice);
    }
  }

  /** A way of asking about two tables. */
  interface OfLink {
    Optional<Draft> draft(Schema.Link link, Dice dice);

    default QueryTemplate anyLink() {
      return (schema, dice) -> draft(dice.pick(schema.links()), dice);
    }
  }
}
