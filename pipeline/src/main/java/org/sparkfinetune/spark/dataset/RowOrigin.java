package org.sparkfinetune.spark.dataset;

import org.apache.parquet.schema.MessageType;
import org.apache.parquet.schema.MessageTypeParser;

/**
 * Where a conversation of a data set is from. They lie beside the splits and not in them, so that
 * these keep the columns that other tools know.
 *
 * @param id of the conversation, see the column {@code id} of the splits
 * @param source of a mixture; empty in other data sets
 * @param file its address, or the table as {@code prepare} was told it
 * @param row from 1: a line, an element, or a row; of a table the place in which Spark read it
 */
public record RowOrigin(String id, String split, String source, String file, long row) {
  /** Under the data set's folder. */
  public static final String FOLDER = "provenance";

  public static final String ID = "id";
  public static final String SPLIT = "split";
  public static final String SOURCE = "source";
  public static final String FILE = "file";
  public static final String ROW = "row";

  public static final MessageType SCHEMA =
      MessageTypeParser.parseMessageType(
          """
          message origin {
            required binary id (STRING);
            required binary split (STRING);
            optional binary source (STRING);
            required binary file (STRING);
            required int64 row;
          }
          """);
}
