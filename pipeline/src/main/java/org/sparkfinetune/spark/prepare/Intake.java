package org.sparkfinetune.spark.prepare;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.Serializable;
import java.io.UncheckedIOException;
import java.util.ArrayDeque;
import java.util.Iterator;
import java.util.NoSuchElementException;
import org.apache.spark.sql.Row;
import org.jspecify.annotations.Nullable;
import org.sparkfinetune.data.conversation.Conversation;
import org.sparkfinetune.data.conversation.RejectedRow;
import org.sparkfinetune.data.conversation.RejectedRow.RejectionReason;
import org.sparkfinetune.data.conversation.RowShape.Converter;

/**
 * The reading pass of one task: every row becomes a sample or a rejection, and at the end come the
 * tally and the counts.
 */
final class Intake implements Iterator<Row> {
  /**
   * What every task needs to know.
   *
   * @param stratifyBy null for none (not an Optional: it travels to executors)
   */
  record Plan(
      Converter converter,
      long seed,
      Buckets buckets,
      FileOrder fileOrder,
      @Nullable String stratifyBy)
      implements Serializable {}

  private final SourceSequence rows;
  private final Tally tally;
  private final Plan plan;
  private final SampleCoder coder;
  private final BucketCounts counts;
  private final ArrayDeque<Row> last = new ArrayDeque<>();
  private boolean ended;
  private @Nullable Row next;

  Intake(SourceSequence rows, Tally tally, Plan plan) {
    this.rows = rows;
    this.tally = tally;
    this.plan = plan;
    this.coder = new SampleCoder(plan.seed());
    this.counts = new BucketCounts(plan.buckets().count());
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
      if (!ended && rows.next()) {
        return taken();
      }
    } catch (IOException e) {
      throw new UncheckedIOException("reading the input failed", e);
    }
    if (!ended) {
      ended = true;
      tally.samples(counts.totals());
      last.add(summary(ShuffledRow.Kind.TALLY, tally.encoded()));
      last.add(summary(ShuffledRow.Kind.COUNTS, counts.encoded()));
    }
    return last.poll();
  }

  private Row summary(ShuffledRow.Kind kind, byte[] body) {
    return ShuffledRow.of(plan.buckets().tallySlot(), 0, 0, kind, body, "");
  }

  private Row taken() {
    Place place = rows.place();
    tally.row(place.file());
    try {
      ObjectNode tree = rows.tree();
      Conversation conversation = plan.converter().convert(tree);
      return sample(conversation, stratum(tree));
    } catch (RejectedRow e) {
      return rejection(new Rejection(place, e.reason(), e.detail(), rows.excerpt()));
    }
  }

  private Row sample(Conversation conversation, Stratum stratum) {
    coder.encode(conversation);
    int bucket = plan.buckets().bucketOf(coder.order());
    counts.add(stratum, bucket, 1);
    ShuffledRow.Kind kind =
        switch (stratum.origin()) {
          case INPUT -> ShuffledRow.Kind.SAMPLE;
          case TEST_INPUT -> ShuffledRow.Kind.TEST_SAMPLE;
        };
    return ShuffledRow.of(
        plan.buckets().slot(bucket),
        coder.order(),
        coder.group(),
        kind,
        coder.body(),
        stratum.value());
  }

  private Row rejection(Rejection rejection) {
    tally.rejection(rejection);
    long order = plan.fileOrder().order(rejection.place(), rows.splitStart());
    int bucket = plan.buckets().bucketOf(order);
    return ShuffledRow.of(
        plan.buckets().slot(bucket),
        order,
        rejection.place().number(),
        ShuffledRow.Kind.REJECTION,
        rejection.encoded(),
        "");
  }

  private Stratum stratum(ObjectNode tree) throws RejectedRow {
    if (rows.origin() == InputFile.Origin.TEST_INPUT) {
      return Stratum.READY_TEST;
    }
    String column = plan.stratifyBy();
    if (column == null) {
      return Stratum.ALL;
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
    return new Stratum(InputFile.Origin.INPUT, value.asText());
  }
}
