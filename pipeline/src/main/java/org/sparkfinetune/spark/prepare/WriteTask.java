package org.sparkfinetune.spark.prepare;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.OutputStream;
import java.io.Serializable;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.spark.TaskContext;
import org.apache.spark.api.java.function.Function2;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.sql.Row;
import org.jspecify.annotations.Nullable;
import org.sparkfinetune.config.OutputFormat;
import org.sparkfinetune.data.conversation.TokenCounter;

/** The writing pass of one bucket: its rows come sorted, each goes straight into its split. */
final class WriteTask implements Function2<Integer, Iterator<Row>, Iterator<WriteTask.Result>> {
  private static final long serialVersionUID = 1L;

  /** Holds the parts of files that the driver puts together. */
  static final String PARTS = "_parts";

  /**
   * What every task needs to know.
   *
   * @param counter null: tokens are not counted (Spark's serialiser takes no Optional)
   */
  record Plan(
      Buckets buckets,
      Selection selection,
      Repeats.Policy repeats,
      Set<OutputFormat> formats,
      Escaping escaping,
      LineNumbers lineNumbers,
      List<String> fileUris,
      PartFiles files,
      @Nullable Broadcast<TokenCounter> counter)
      implements Serializable {}

  /** What one bucket came to. */
  record Result(
      int bucket,
      SplitStatistics train,
      SplitStatistics test,
      Repeats.Counts repeats,
      long testRowsInTrain,
      long rejected)
      implements Serializable {
    SplitStatistics statistics(SplitName split) {
      return switch (split) {
        case TRAIN -> train;
        case TEST -> test;
      };
    }
  }

  private final Plan plan;

  WriteTask(Plan plan) {
    this.plan = plan;
  }

  static String rejectedName(int bucket) {
    return String.format(Locale.ROOT, "%s/rejected-%05d.json", PARTS, bucket);
  }

  @Override
  public Iterator<Result> call(Integer partition, Iterator<Row> rows) throws IOException {
    return plan.buckets().isTally(partition)
        ? List.<Result>of().iterator()
        : List.of(new Bucket(partition).write(rows)).iterator();
  }

  /** The state of one bucket's pass. */
  private final class Bucket {
    private final int bucket;
    private final String attempt;
    private final EnumMap<SplitName, SplitWriter> writers = new EnumMap<>(SplitName.class);
    private final Map<Stratum, Long> rowsBefore = new HashMap<>();
    private final Repeats repeats = new Repeats(plan.repeats());
    private final Overlap overlap = new Overlap();
    private final ObjectMapper mapper = new ObjectMapper();
    private OutputStream rejectedOut = OutputStream.nullOutputStream();
    private long rejected;

    Bucket(int bucket) {
      TaskContext context = TaskContext.get();
      this.bucket = bucket;
      this.attempt = context.stageId() + "-" + context.taskAttemptId();
      for (SplitName split : SplitName.values()) {
        writers.put(split, new SplitWriter(plan.files(), split, bucket, attempt, plan));
      }
    }

    Result write(Iterator<Row> rows) throws IOException {
      while (rows.hasNext()) {
        Row row = rows.next();
        plan.buckets().check(bucket, ShuffledRow.order(row));
        Optional<Stratum> stratum = ShuffledRow.stratumOf(row);
        if (stratum.isPresent()) {
          sample(row, stratum.get());
        } else if (ShuffledRow.isRejection(row)) {
          reject(Rejection.decoded(ShuffledRow.body(row)));
        }
      }
      rejectedOut.close();
      if (rejected > 0) {
        plan.files().finish(rejectedName(bucket), attempt);
      }
      return new Result(
          bucket,
          writer(SplitName.TRAIN).finish(),
          writer(SplitName.TEST).finish(),
          repeats.counts(),
          overlap.testRowsInTrain(),
          rejected);
    }

    private SplitWriter writer(SplitName split) {
      return Objects.requireNonNull(writers.get(split));
    }

    private void sample(Row row, Stratum stratum) throws IOException {
      byte[] body = ShuffledRow.body(row);
      Repeats.Verdict verdict = repeats.next(row);
      if (verdict.dropped()) {
        return;
      }
      long before = rowsBefore.merge(stratum, 1L, Long::sum) - 1;
      Selection.Target target = plan.selection().targetOf(stratum, bucket, before);
      overlap.add(verdict, target);
      switch (target) {
        case TRAIN -> write(SplitName.TRAIN, body, verdict);
        case TEST -> write(SplitName.TEST, body, verdict);
        case NOT_SELECTED -> {}
      }
    }

    private void write(SplitName split, byte[] body, Repeats.Verdict verdict) throws IOException {
      Sample sample = new Sample(body);
      String id = sample.id();
      writer(split).write(verdict.copy() == 0 ? id : id + "-" + (verdict.copy() + 1), sample);
    }

    private void reject(Rejection rejection) throws IOException {
      if (rejected == 0) {
        FSDataOutputStream out = plan.files().create(rejectedName(bucket), attempt);
        rejectedOut = out;
      }
      rejected++;
      Place place = rejection.place();
      ObjectNode line = mapper.createObjectNode();
      line.put("file", plan.fileUris().get(place.file()));
      line.put("row", plan.lineNumbers().rowInFile(place));
      line.put("reason", rejection.reason().text());
      line.put("detail", rejection.detail());
      line.put("excerpt", rejection.excerpt());
      rejectedOut.write(mapper.writeValueAsBytes(line));
      rejectedOut.write('\n');
    }
  }

  /** Counts test rows whose normalised text is in the training split as well. */
  private static final class Overlap {
    private long testRowsInTrain;
    private long train;
    private long test;

    void add(Repeats.Verdict verdict, Selection.Target target) {
      if (verdict.firstOfGroup()) {
        closeGroup();
      }
      switch (target) {
        case TRAIN -> train++;
        case TEST -> test++;
        case NOT_SELECTED -> {}
      }
    }

    private void closeGroup() {
      testRowsInTrain += train > 0 ? test : 0;
      train = 0;
      test = 0;
    }

    long testRowsInTrain() {
      closeGroup();
      return testRowsInTrain;
    }
  }
}
