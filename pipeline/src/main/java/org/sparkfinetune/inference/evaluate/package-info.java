/**
 * Whether a model's SQL is right: equal texts, and equal results of running both queries.
 *
 * <p>May use {@code conversation} and SQLite (in this JVM, in memory). Neither Spark nor a model:
 * {@code launch} brings both.
 *
 * <p>The decision a newcomer would question: the databases are made up. Data sets such as
 * sql-create-context have schemas and no rows, so rows are made from the schema and from the
 * literals of both queries, several times over with different seeds: a wrong condition has to show
 * on one of them. Two queries can still agree on all of them and differ on another database; this
 * measure is a little too kind, where comparing texts is far too strict.
 */
@NullMarked
package org.sparkfinetune.inference.evaluate;

import org.jspecify.annotations.NullMarked;
