package org.sparkfinetune.spark.generate;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.NoSuchElementException;
import org.apache.spark.api.java.function.MapPartitionsFunction;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;
import org.apache.spark.util.LongAccumulator;
import org.jspecify.annotations.Nullable;
import org.sparkfinetune.data.conversation.Conversation;
import org.sparkfinetune.data.conversation.Conversation.Message;
import org.sparkfinetune.data.conversation.Conversation.TemplateInputs;
import org.sparkfinetune.data.conversation.EncodedConversation;
import org.sparkfinetune.data.conversation.MessageJson;
import org.sparkfinetune.errors.ParserWords;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.inference.generate.TextGenerator;
import org.sparkfinetune.inference.generate.TextGenerator.Completion;
import org.sparkfinetune.inference.generate.TextGenerator.TextListener;
import org.sparkfinetune.inference.generate.TextGenerator.TextPrompt;
import org.sparkfinetune.spark.cluster.TaskDevice;

/** Rows with a prompt in one column into the same rows with an answer. */
public final class AnswerRows implements MapPartitionsFunction<Row, Row> {
  private static final long serialVersionUID = 1L;
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final List<String> INPUTS = List.of("tools", "documents");

  private final Broadcast<AnsweringModel> model;
  private final int column;
  private final boolean conversations;
  private final int threads;
  private final AnsweringProgress.Counts counts;

  AnswerRows(
      Broadcast<AnsweringModel> model,
      int column,
      boolean conversations,
      int threads,
      AnsweringProgress.Counts counts) {
    this.model = model;
    this.column = column;
    this.conversations = conversations;
    this.threads = threads;
    this.counts = counts;
  }

  /** The columns that are added. */
  static StructType schema(StructType rows) {
    return rows.add("answer", DataTypes.StringType)
        .add("answer_tokens", DataTypes.IntegerType)
        .add("finish_reason", DataTypes.StringType);
  }

  @Override
  public Iterator<Row> call(Iterator<Row> rows) {
    return rows.hasNext() ? TaskDevice.endingLostExecutors(() -> results(rows)) : rows;
  }

  private Iterator<Row> results(Iterator<Row> rows) {
    TextGenerator generator = model.value().newTaskGenerator(threads, counts.layersLoaded());
    return new Answers(rows, generator, model.value().chunk());
  }

  private final class Answers implements Iterator<Row> {
    private final Iterator<Row> rows;
    private final TextGenerator generator;
    private final int chunk;
    private final ArrayDeque<Row> ready = new ArrayDeque<>();

    Answers(Iterator<Row> rows, TextGenerator generator, int chunk) {
      this.rows = rows;
      this.generator = generator;
      this.chunk = chunk;
    }

    @Override
    public boolean hasNext() {
      return !ready.isEmpty() || rows.hasNext();
    }

    @Override
    public Row next() {
      if (ready.isEmpty()) {
        fill();
      }
      Row row = ready.poll();
      if (row == null) {
        throw new NoSuchElementException();
      }
      return row;
    }

    private void fill() {
      List<Row> taken = new ArrayList<>();
      while (rows.hasNext() && taken.size() < chunk) {
        taken.add(rows.next());
      }
      LongAccumulator done = counts.rowsDone();
      long before = done.value();
      try {
        List<TextPrompt> prompts = taken.stream().map(AnswerRows.this::prompt).toList();
        List<Completion> answers =
            generator.complete(prompts, TextListener.ends(() -> done.add(1)));
        for (int i = 0; i < taken.size(); i++) {
          ready.add(answered(taken.get(i), answers.get(i)));
        }
      } catch (UserError ofOneRow) {
        taken.forEach(row -> ready.add(answerAlone(row)));
        done.add(taken.size() - (done.value() - before));
      }
    }

    /** A row that cannot be answered says why, and the job goes on. */
    private Row answerAlone(Row row) {
      try {
        List<TextPrompt> prompt = List.of(prompt(row));
        return answered(row, generator.complete(prompt, TextListener.NONE).get(0));
      } catch (UserError e) {
        return with(row, null, null, "error: " + e.getMessage());
      }
    }
  }

  private static Row answered(Row row, Completion answer) {
    return with(
        row, answer.text(), answer.tokens(), answer.finish().name().toLowerCase(Locale.ROOT));
  }

  /** The row with more columns. */
  static Row with(Row row, @Nullable Object... added) {
    @Nullable Object[] values = new Object[row.size() + added.length];
    for (int i = 0; i < row.size(); i++) {
      values[i] = row.get(i);
    }
    System.arraycopy(added, 0, values, row.size(), added.length);
    return RowFactory.create(values);
  }

  private TextPrompt prompt(Row row) {
    if (row.isNullAt(column)) {
      throw new UserError("the prompt is null");
    }
    if (!conversations) {
      String text = row.getString(column);
      return new TextPrompt.Plain(text.hashCode(), text);
    }
    Conversation question = conversation(row, column).question();
    return new TextPrompt.Chat(EncodedConversation.number(question), question);
  }

  /** A column of messages with what templates get beside them. */
  public static Conversation conversation(Row row, int column) {
    List<Message> messages = new ArrayList<>();
    for (Object element : row.getList(column)) {
      if (element == null) {
        throw new UserError("a message is null");
      }
      messages.add(MessageJson.message(json((Row) element), "messages[" + messages.size() + "]"));
    }
    return new Conversation(messages, inputs(row));
  }

  private static JsonNode json(Row row) {
    try {
      return JSON.readTree(row.json());
    } catch (JsonProcessingException e) {
      throw new UserError("a message cannot be read: " + ParserWords.of(e.getOriginalMessage()), e);
    }
  }

  /** Of the columns {@code tools} and {@code documents}, texts or arrays. */
  private static TemplateInputs inputs(Row row) {
    ObjectNode inputs = JSON.createObjectNode();
    for (String name : INPUTS) {
      int column = Arrays.asList(row.schema().fieldNames()).indexOf(name);
      if (column >= 0 && row.get(column) instanceof String text) {
        inputs.put(name, text);
      } else if (column >= 0 && !row.isNullAt(column)) {
        ArrayNode array = inputs.putArray(name);
        row.getList(column).forEach(element -> array.add(json((Row) element)));
      }
    }
    return MessageJson.inputs(inputs);
  }
}
