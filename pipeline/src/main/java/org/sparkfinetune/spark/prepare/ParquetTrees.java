package org.sparkfinetune.spark.prepare;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.math.BigDecimal;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.types.ArrayType;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.StructField;
import org.apache.spark.sql.types.StructType;
import org.jspecify.annotations.Nullable;

/**
 * Spark's rows as the trees that converters read. Each type keeps being itself: bytes do not become
 * text, and what JSON has no type for stays a value that no converter takes for one.
 */
final class ParquetTrees {
  private static final JsonNodeFactory NODES = JsonNodeFactory.instance;

  private ParquetTrees() {}

  /** The first {@code columns} columns. */
  static ObjectNode tree(Row row, int columns) {
    StructField[] fields = row.schema().fields();
    ObjectNode tree = NODES.objectNode();
    for (int i = 0; i < columns; i++) {
      tree.set(fields[i].name(), node(row.get(i), fields[i].dataType()));
    }
    return tree;
  }

  private static JsonNode node(@Nullable Object value, DataType type) {
    if (value == null) {
      return NODES.nullNode();
    }
    if (value instanceof String text) {
      return NODES.textNode(text);
    }
    if (type instanceof StructType && value instanceof Row row) {
      return tree(row, row.size());
    }
    if (type instanceof ArrayType) {
      return array(value);
    }
    return scalar(value);
  }

  /**
   * Spark's Java API reads an array as a list only through its row, so the value is put into one.
   */
  private static ArrayNode array(Object value) {
    Row holder = RowFactory.create(value);
    ArrayNode array = NODES.arrayNode();
    for (Object element : holder.getList(0)) {
      array.add(
          element instanceof Row row
              ? tree(row, row.size())
              : element instanceof String text ? NODES.textNode(text) : nestedOrScalar(element));
    }
    return array;
  }

  private static JsonNode nestedOrScalar(@Nullable Object element) {
    return element == null ? NODES.nullNode() : scalar(element);
  }

  private static JsonNode scalar(Object value) {
    if (value instanceof Boolean truth) {
      return NODES.booleanNode(truth);
    }
    if (value instanceof Integer || value instanceof Short || value instanceof Byte) {
      return NODES.numberNode(((Number) value).intValue());
    }
    if (value instanceof Long number) {
      return NODES.numberNode(number.longValue());
    }
    if (value instanceof Double || value instanceof Float) {
      return NODES.numberNode(((Number) value).doubleValue());
    }
    if (value instanceof BigDecimal number) {
      return NODES.numberNode(number);
    }
    if (value instanceof byte[] bytes) {
      return NODES.binaryNode(bytes);
    }
    return NODES.pojoNode(value.toString());
  }
}
