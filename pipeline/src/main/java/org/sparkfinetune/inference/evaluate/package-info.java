/**
 * Whether a model's answers are right, each metric by itself: equal texts, numbers or JSON, how
 * much of a text is there, and of SQL equal results of running both queries.
 *
 * <p>May use {@code conversation}, the names of metrics in {@code config}, and SQLite (in this JVM,
 * in memory). Neither Spark nor a model: {@code spark.evaluate} brings both.
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
