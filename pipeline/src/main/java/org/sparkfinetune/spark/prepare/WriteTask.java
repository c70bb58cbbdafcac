package org.sparkfinetune.spark.prepare;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
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
import org.apache.spark.api.java.function.Function2;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.sql.Row;
import org.jspecify.annotations.Nullable;
import org.sparkfinetune.config.PrepareConfig.OutputFormat;
import org.sparkfinetune.data.conversation.EncodedConversation;
import org.sparkfinetune.data.conversation.TokenCounter;
import org.sparkfinetune.spark.dataset.ExtraColumn;
import org.sparkfinetune.spark.dataset.RowOrigin;
import org.sparkfinetune.spark.prepare.Selection.Split;
import org.sparkfinetune.spark.prepare.Selection.Stratum;
import org.sparkfinetune.store.AtomicFile;

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
      DuplicateFinder.Policy repeats,
      Set<OutputFormat> formats,
      Set<ExtraColumn> columns,
      SplitWriter.Escaping escaping,
      TextSplit.LineNumbers lineNumbers,
      List<String> fileUris,
      OutputFolder.Parts files,
      @Nullable Broadcast<TokenCounter> counter)
      implements Serializable {}

  /** What one bucket came to. */
  record Result(
      int bucket,
      SplitStatistics train,
      SplitStatistics test,
      DuplicateFinder.Counts repeats,
      long testRowsInTrain,
      long rejected)
      implements Serializable {
    SplitStatistics statistics(Split split) {
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
    return plan.buckets().isCounts(partition)
        ? List.<Result>of().iterator()
        : List.of(new Bucket(partition).write(rows)).iterator();
  }

  /** The state of one bucket's pass. */
  private final class Bucket {
    private final int bucket;
    private final EnumMap<Split, SplitWriter> writers = new EnumMap<>(Split.class);
    private final Map<Stratum, Long> rowsBefore = new HashMap<>();
    private final DuplicateFinder repeats = new DuplicateFinder(plan.repeats());
    private final Overlap overlap = new Overlap();
    private final ObjectMapper mapper = new ObjectMapper();
    private @Nullable OriginWriter origins;
    private @Nullable AtomicFile rejectedOut;
    private long rejected;

    Bucket(int bucket) {
      this.bucket = bucket;
      for (Split split : Split.values()) {
        writers.put(split, new SplitWriter(split, bucket, plan));
      }
    }

    Result write(Iterator<Row> rows) throws IOException {
      while (rows.hasNext()) {
        Row row = rows.next();
        plan.buckets().check(bucket, ShuffledRow.order(row));
        Optional<Stratum> stratum = ShuffledRow.stratumOf(row);
        if (stratum.isPresent()) {
          sample(row, stratum.get());
        } else if (ShuffledRow.isDeadLetter(row)) {
          reject(DeadLetterRow.decoded(ShuffledRow.body(row)));
        }
      }
      if (rejectedOut != null) {
        rejectedOut.commit();
      }
      if (origins != null) {
        origins.finish();
      }
      return new Result(
          bucket,
          writer(Split.TRAIN).finish(),
          writer(Split.TEST).finish(),
          repeats.counts(),
          overlap.testRowsInTrain(),
          rejected);
    }

    private SplitWriter writer(Split split) {
      return Objects.requireNonNull(writers.get(split));
    }

    private void sample(Row row, Stratum stratum) throws IOException {
      DuplicateFinder.Verdict verdict = repeats.next(row);
      if (verdict.dropped()) {
        return;
      }
      long before = rowsBefore.merge(stratum, 1L, Long::sum) - 1;
      Optional<Split> split = plan.selection().splitOf(stratum, bucket, before);
      overlap.add(verdict, split);
      if (split.isPresent()) {
        EncodedConversation conversation = new EncodedConversation(ShuffledRow.body(row));
        String id = writer(split.get()).write(conversation, stratum.source(), verdict.copy());
        origin(id, split.get(), stratum.source(), ShuffledRow.position(row));
      }
    }

    private void origin(String id, Split split, String source, InputRows.Position position)
        throws IOException {
      if (origins == null) {
        origins = OriginWriter.create(plan.files(), bucket);
      }
      String file = plan.fileUris().get(position.file());
      long number = plan.lineNumbers().rowInFile(position);
      origins.write(new RowOrigin(id, split.folder(), source, file, number));
    }

    private void reject(DeadLetterRow rejection) throws IOException {
      if (rejectedOut == null) {
        rejectedOut = plan.files().create(rejectedName(bucket));
      }
      rejected++;
      ObjectNode line = mapper.createObjectNode();
      line.put("file", plan.fileUris().get(rejection.position().file()));
      line.put("row", plan.lineNumbers().rowInFile(rejection.position()));
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

    void add(DuplicateFinder.Verdict verdict, Optional<Split> split) {
      if (verdict.firstOfGroup()) {
        closeGroup();
      }
      train += split.equals(Optional.of(Split.TRAIN)) ? 1 : 0;
      test += split.equals(Optional.of(Split.TEST)) ? 1 : 0;
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
