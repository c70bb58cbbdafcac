package org.sparkfinetune.spark.prepare;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.Serializable;
import java.io.UncheckedIOException;
import java.util.ArrayDeque;
import java.util.HashSet;
import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.Optional;
import java.util.Set;
import org.apache.spark.sql.Row;
import org.jspecify.annotations.Nullable;
import org.sparkfinetune.data.conversation.Conversation;
import org.sparkfinetune.data.conversation.EncodedConversation;
import org.sparkfinetune.data.conversation.RejectedRow;
import org.sparkfinetune.data.conversation.RejectedRow.RejectionReason;
import org.sparkfinetune.data.conversation.RowShape.Converter;
import org.sparkfinetune.spark.prepare.Selection.Stratum;

/**
 * The reading pass of one task: every row becomes a sample or a dead-letter row, and behind the
 * last one come two rows of counts.
 */
final class ReadTask implements Iterator<Row> {
  /**
   * What every task needs to know.
   *
   * @param sources what is read, in the order in which {@link InputFile#source} counts
   * @param stratifyBy null for none (not an Optional: it travels to executors)
   * @param excluded names of texts, see {@link ExcludedIds}
   */
  record Plan(
      List<ReadSource> sources,
      long seed,
      Buckets buckets,
      DeadLetterRow.Order deadLetterOrder,
      @Nullable String stratifyBy,
      Set<String> excluded)
      implements Serializable {
    Set<String> columns(int source) {
      Set<String> columns = new HashSet<>(sources.get(source).converter().columns());
      if (stratifyBy != null) {
        columns.add(stratifyBy);
      }
      return columns;
    }
  }

  /**
   * One source.
   *
   * @param name empty where nothing is mixed
   */
  record ReadSource(String name, Converter converter) implements Serializable {}

  private final InputRows rows;
  private final ReadCounts readCounts;
  private final Plan plan;
  private final RowOrder order;
  private final BucketCounts bucketCounts;
  private final ArrayDeque<Row> last = new ArrayDeque<>();
  private boolean ended;
  private @Nullable Row next;

  ReadTask(InputRows rows, ReadCounts readCounts, Plan plan) {
    this.rows = rows;
    this.readCounts = readCounts;
    this.plan = plan;
    this.order = new RowOrder(plan.seed());
    this.bucketCounts = new BucketCounts(plan.buckets().count());
  }

  @Override
  public boolean hasNext() {
    if (next == null) {
      next = advance();
    }
    return next != null;
  }

  @Override
  public Row next() {
    if (!hasNext() || next == null) {
      throw new NoSuchElementException();
    }
    Row row = next;
    next = null;
    return row;
  }

  private @Nullable Row advance() {
    try {
      while (!ended && rows.next()) {
        Row row = taken();
        if (row != null) {
          return row;
        }
      }
    } catch (IOException e) {
      throw new UncheckedIOException("reading the input failed", e);
    }
    if (!ended) {
      ended = true;
      readCounts.samples(bucketCounts.totals());
      last.add(summary(ShuffledRow.Kind.READ_COUNTS, readCounts.encoded()));
      last.add(summary(ShuffledRow.Kind.BUCKET_COUNTS, bucketCounts.encoded()));
    }
    return last.poll();
  }

  private Row summary(ShuffledRow.Kind kind, byte[] body) {
    return ShuffledRow.of(plan.buckets().countsSlot(), 0, 0, kind, body);
  }

  /** Null for a conversation that is left out. */
  private @Nullable Row taken() {
    InputRows.Position position = rows.position();
    readCounts.row(position.file());
    try {
      ObjectNode tree = rows.tree();
      ReadSource source = plan.sources().get(rows.file().source());
      Conversation conversation = source.converter().convert(tree);
      return sample(position, conversation, stratum(source, tree));
    } catch (RejectedRow e) {
      return deadLetter(new DeadLetterRow(position, e.reason(), e.detail(), rows.excerpt()));
    }
  }

  private @Nullable Row sample(
      InputRows.Position position, Conversation conversation, Stratum stratum) {
    EncodedConversation encoded = EncodedConversation.of(conversation);
    Optional<String> excluded = ExcludedIds.among(plan.excluded(), encoded);
    if (excluded.isPresent()) {
      readCounts.excluded(excluded.get());
      return null;
    }
    readCounts.extras(conversation);
    order.of(encoded);
    int bucket = plan.buckets().bucketOf(order.order());
    bucketCounts.add(stratum, bucket, 1);
    ShuffledRow.Kind kind =
        switch (stratum.origin()) {
          case INPUT -> ShuffledRow.Kind.SAMPLE;
          case TEST_INPUT -> ShuffledRow.Kind.TEST_SAMPLE;
        };
    return ShuffledRow.of(
        plan.buckets().slot(bucket),
        order.order(),
        order.group(),
        kind,
        encoded.bytes(),
        stratum,
        position);
  }

  private Row deadLetter(DeadLetterRow row) {
    readCounts.rejection(row);
    long order = plan.deadLetterOrder().of(row.position(), rows.splitStart());
    int bucket = plan.buckets().bucketOf(order);
    return ShuffledRow.of(
        plan.buckets().slot(bucket),
        order,
        row.position().number(),
        ShuffledRow.Kind.DEAD_LETTER,
        row.encoded());
  }

  private Stratum stratum(ReadSource source, ObjectNode tree) throws RejectedRow {
    if (rows.file().origin() == InputFile.Origin.TEST_INPUT) {
      return Stratum.READY_TEST;
    }
    String column = plan.stratifyBy();
    if (column == null) {
      return new Stratum(InputFile.Origin.INPUT, source.name(), "");
    }
    JsonNode value = tree.get(column);
    if (value == null || value.isNull()) {
      RejectionReason reason =
          value == null ? RejectionReason.MISSING_COLUMN : RejectionReason.NULL_VALUE;
      throw new RejectedRow(reason, "%s, which stratify_by names".formatted(column));
    }
    if (!value.isTextual() && !value.isIntegralNumber() && !value.isBoolean()) {
      throw new RejectedRow(
          RejectionReason.WRONG_TYPE,
          "%s, which stratify_by names, is no text, whole number or boolean".formatted(column));
    }
    return new Stratum(InputFile.Origin.INPUT, source.name(), value.asText());
  }
}
