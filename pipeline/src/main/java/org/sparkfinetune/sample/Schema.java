package org.sparkfinetune.sample;

import java.util.ArrayList;
import java.util.List;

/** A database: tables and how they refer to each other. */
record Schema(String name, List<Table> tables) {

  /** Rows of {@code child} hold the id of a row of {@code parent}. */
  record Link(Table child, Column key, Table parent) {
    String relation() {
      return ((ColumnKind.Reference) key.kind()).relation();
    }
  }

  List<Link> links() {
    List<Link> links = new ArrayList<>();
    for (Table child : tables) {
      for (Column key : child.references()) {
        String parent = ((ColumnKind.Reference) key.kind()).table();
        links.add(new Link(child, key, table(parent)));
      }
    }
    return links;
  }

  Table table(String wanted) {
    return tables.stream().filter(table -> table.name().equals(wanted)).findFirst().orElseThrow();
  }
}
