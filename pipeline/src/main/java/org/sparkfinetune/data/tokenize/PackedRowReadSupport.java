package org.sparkfinetune.data.tokenize;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.apache.hadoop.conf.Configuration;
import org.apache.parquet.hadoop.api.InitContext;
import org.apache.parquet.hadoop.api.ReadSupport;
import org.apache.parquet.io.api.Converter;
import org.apache.parquet.io.api.GroupConverter;
import org.apache.parquet.io.api.PrimitiveConverter;
import org.apache.parquet.io.api.RecordMaterializer;
import org.apache.parquet.schema.MessageType;
import org.apache.parquet.schema.PrimitiveType.PrimitiveTypeName;
import org.apache.parquet.schema.Type;
import org.sparkfinetune.data.tokenize.PackedRows.PackedRow;
import org.sparkfinetune.errors.UserError;

/** Reads the four columns, whoever wrote them, if they are three-level lists of int. */
final class PackedRowReadSupport extends ReadSupport<PackedRow> {

  @Override
  public ReadContext init(InitContext context) {
    MessageType schema = context.getFileSchema();
    List<Type> columns = new ArrayList<>();
    for (String column : PackedRowsParquet.COLUMNS) {
      if (!schema.containsField(column) || !isListOfInt(schema.getType(column))) {
        throw new UserError(
            "These are no packed rows: the column '%s' is missing or no array of int; found %s. Let train make them anew by removing the folder."
                .formatted(column, schema));
      }
      columns.add(schema.getType(column));
    }
    return new ReadContext(new MessageType(schema.getName(), columns));
  }

  private static boolean isListOfInt(Type column) {
    if (column.isPrimitive() || column.asGroupType().getType(0).isPrimitive()) {
      return false;
    }
    Type element = column.asGroupType().getType(0).asGroupType().getType(0);
    return element.isPrimitive()
        && element.asPrimitiveType().getPrimitiveTypeName() == PrimitiveTypeName.INT32;
  }

  @Override
  public RecordMaterializer<PackedRow> prepareForRead(
      Configuration configuration,
      Map<String, String> metadata,
      MessageType schema,
      ReadContext context) {
    return new Materializer();
  }

  private static final class Materializer extends RecordMaterializer<PackedRow> {
    private final Ints[] columns = {new Ints(), new Ints(), new Ints(), new Ints()};
    private final GroupConverter root =
        new Parent(Arrays.stream(columns).map(ints -> new Parent(new Parent(ints))).toList()) {
          @Override
          public void start() {
            for (Ints column : columns) {
              column.size = 0;
            }
          }
        };

    @Override
    public PackedRow getCurrentRecord() {
      return new PackedRow(
          columns[0].values(), columns[1].values(), columns[2].values(), columns[3].values());
    }

    @Override
    public GroupConverter getRootConverter() {
      return root;
    }
  }

  private static class Parent extends GroupConverter {
    private final List<? extends Converter> children;

    Parent(Converter child) {
      this(List.of(child));
    }

    Parent(List<? extends Converter> children) {
      this.children = children;
    }

    @Override
    public Converter getConverter(int field) {
      return children.get(field);
    }

    @Override
    public void start() {}

    @Override
    public void end() {}
  }

  private static final class Ints extends PrimitiveConverter {
    private int[] values = new int[1024];
    private int size = 0;

    @Override
    public void addInt(int value) {
      if (size == values.length) {
        values = Arrays.copyOf(values, 2 * size);
      }
      values[size++] = value;
    }

    int[] values() {
      return Arrays.copyOf(values, size);
    }
  }
}
