package org.sparkfinetune.sample;

/**
 * One example, with what a split without leaks needs to know.
 *
 * @param schema the database that it asks about
 * @param skeleton the answer without names and values
 * @param context the tables, as {@code CREATE TABLE} statements
 * @param answer runs in SQLite against the context
 */
public record SampleRow(
    String schema, String skeleton, String question, String context, String answer) {}
