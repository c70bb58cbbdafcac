package org.sparkfinetune.spark.prepare;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.math.BigDecimal;
import java.util.List;
import java.util.Map;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.types.ArrayType;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.MapType;
import org.apache.spark.sql.types.StructField;
import org.jspecify.annotations.Nullable;

/**
 * Spark's rows as the trees that converters take. Types stay what they are: bytes do not become
 * text, and no converter takes for its own what JSON has no type for (timestamps, maps whose keys
 * are no texts).
 */
final class RowTree {
  private static final JsonNodeFactory NODES = JsonNodeFactory.instance;

  private RowTree() {}

  /**
   * The first columns of a row.
   *
   * @param names what a row shows: those columns, or more if a needed one is missing; that is for
   *     the message about it, which lists those that are there
   */
  static ObjectNode of(Row row, int columns, List<String> names) {
    ObjectNode values = tree(row, columns);
    if (values.size() == names.size()) {
      return values;
    }
    ObjectNode all = NODES.objectNode();
    for (String name : names) {
      all.set(name, values.get(name));
    }
    return all;
  }

  private static ObjectNode tree(Row row, int columns) {
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
    if (value instanceof Row row) {
      return tree(row, row.size());
    }
    if (type instanceof ArrayType array) {
      ArrayNode elements = NODES.arrayNode();
      // Spark's Java API reads an array as a list only through a row.
      for (Object element : RowFactory.create(value).getList(0)) {
        elements.add(node(element, array.elementType()));
      }
      return elements;
    }
    if (type instanceof MapType map && map.keyType().equals(DataTypes.StringType)) {
      ObjectNode members = NODES.objectNode();
      Map<String, ?> entries = RowFactory.create(value).getJavaMap(0);
      entries.forEach((name, member) -> members.set(name, node(member, map.valueType())));
      return members;
    }
    return scalar(value);
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
