package org.sparkfinetune.sample;

import java.util.List;

/** A question and its query, before the tables around it are chosen. */
record Draft(List<Table> tables, String question, String sql) {}
