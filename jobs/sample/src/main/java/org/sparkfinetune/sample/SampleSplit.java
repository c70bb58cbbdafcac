package org.sparkfinetune.sample;

import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.sparkfinetune.sample.SampleRows.Row;

/** Divides rows for training and testing so that nothing can be answered from memory alone. */
record SampleSplit(List<Row> train, List<Row> test) {

  /** What two rows must not share across a split. */
  private record Group(String schema, String skeleton) {}

  /**
   * No test row shares both its schema and its query's skeleton with a training row: they are
   * divided by groups of those that do.
   *
   * @param testRows at least so many rows for testing, unless there are fewer
   */
  static SampleSplit bySchemaAndSkeleton(List<Row> rows, int testRows, long seed) {
    Map<Group, List<Row>> groups =
        rows.stream()
            .collect(
                Collectors.groupingBy(
                    row -> new Group(row.schema(), row.skeleton()),
                    LinkedHashMap::new,
                    Collectors.toList()));
    return divide(groups.values(), testRows, seed);
  }

  /** No test row shares its schema with a training row. */
  static SampleSplit bySchema(List<Row> rows, int testSchemas, long seed) {
    List<String> schemas = rows.stream().map(Row::schema).distinct().sorted().toList();
    Set<String> test = Set.copyOf(new SeededRandom(seed).sample(schemas, testSchemas));
    return new SampleSplit(
        rows.stream().filter(row -> !test.contains(row.schema())).toList(),
        rows.stream().filter(row -> test.contains(row.schema())).toList());
  }

  private static SampleSplit divide(Collection<List<Row>> groups, int testRows, long seed) {
    List<Row> train = new ArrayList<>();
    List<Row> test = new ArrayList<>();
    for (List<Row> group : new SeededRandom(seed).sample(List.copyOf(groups), groups.size())) {
      (test.size() < testRows ? test : train).addAll(group);
    }
    return new SampleSplit(List.copyOf(train), List.copyOf(test));
  }
}
