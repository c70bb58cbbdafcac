package org.sparkfinetune.spark.prepare;

import java.util.Map;
import org.apache.hadoop.conf.Configuration;
import org.apache.parquet.hadoop.api.WriteSupport;
import org.apache.parquet.io.api.Binary;
import org.apache.parquet.io.api.RecordConsumer;
import org.apache.parquet.schema.MessageType;
import org.apache.parquet.schema.MessageTypeParser;
import org.jspecify.annotations.Nullable;
import org.sparkfinetune.data.conversation.Conversation.Role;
import org.sparkfinetune.errors.Bug;

/** {@code id} string, {@code messages} array of {role, content}; as Spark itself writes arrays. */
final class ConversationWriteSupport extends WriteSupport<ConversationWriteSupport.Named> {
  /** A sample with its id. */
  record Named(String id, Sample sample) {}

  static final String CONTENT_COLUMN = "messages.list.element.content";

  private static final MessageType SCHEMA =
      MessageTypeParser.parseMessageType(
          """
          message conversation {
            required binary id (STRING);
            required group messages (LIST) {
              repeated group list {
                required group element {
                  required binary role (STRING);
                  required binary content (STRING);
                }
              }
            }
          }
          """);

  private static final Binary[] ROLES = new Binary[Role.values().length];

  static {
    for (Role role : Role.values()) {
      ROLES[Sample.code(role)] = Binary.fromString(role.text());
    }
  }

  private @Nullable RecordConsumer consumer;

  @Override
  public WriteContext init(Configuration configuration) {
    return new WriteContext(SCHEMA, Map.of());
  }

  @Override
  public void prepareForWrite(RecordConsumer recordConsumer) {
    consumer = recordConsumer;
  }

  @Override
  public void write(Named named) {
    RecordConsumer out = consumer;
    if (out == null) {
      throw new Bug("Parquet wrote a row before it was ready to.");
    }
    out.startMessage();
    out.startField("id", 0);
    out.addBinary(Binary.fromString(named.id()));
    out.endField("id", 0);
    out.startField("messages", 1);
    out.startGroup();
    out.startField("list", 0);
    named
        .sample()
        .forEach((role, bytes, start, length) -> message(out, role, bytes, start, length));
    out.endField("list", 0);
    out.endGroup();
    out.endField("messages", 1);
    out.endMessage();
  }

  private static void message(RecordConsumer out, Role role, byte[] bytes, int start, int length) {
    out.startGroup();
    out.startField("element", 0);
    out.startGroup();
    out.startField("role", 0);
    out.addBinary(ROLES[Sample.code(role)]);
    out.endField("role", 0);
    out.startField("content", 1);
    out.addBinary(Binary.fromConstantByteArray(bytes, start, length));
    out.endField("content", 1);
    out.endGroup();
    out.endField("element", 0);
    out.endGroup();
  }
}
