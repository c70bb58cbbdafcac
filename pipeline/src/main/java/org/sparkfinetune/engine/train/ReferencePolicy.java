package org.sparkfinetune.engine.train;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.LongConsumer;
import org.apache.commons.codec.digest.DigestUtils;
import org.apache.hadoop.fs.Path;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.data.tokenize.PackedRows;
import org.sparkfinetune.engine.checkpoint.CheckpointManifest.RunIdentity;
import org.sparkfinetune.engine.exchange.ProcessGroup;
import org.sparkfinetune.engine.metrics.RunFolder;
import org.sparkfinetune.engine.train.StepSchedule.StepRow;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.model.safetensors.Checkpoint;
import org.sparkfinetune.model.safetensors.DType;
import org.sparkfinetune.model.safetensors.SafetensorsWriter;
import org.sparkfinetune.model.safetensors.TensorInfo;
import org.sparkfinetune.model.safetensors.TensorSpec;
import org.sparkfinetune.store.Store;

/**
 * What the model that training begins with says of both answers of each pair: base and adapter
 * before the first step, without dropout. It is computed once, by all ranks, and kept in the run
 * folder, so that no second model is needed and a run that goes on has the very same numbers.
 */
final class ReferencePolicy {
  private static final Logger LOG = LoggerFactory.getLogger(ReferencePolicy.class);

  /** Of all ranks, between two exchanges. */
  private static final int ROWS_TOGETHER = 1024;

  private static final String CHOSEN = ".ref_chosen_logps";
  private static final String REJECTED = ".ref_rejected_logps";

  private final RankModel model;
  private final Evaluation evaluation;
  private final Kept kept;
  private final LongConsumer progress;

  /** Log-probabilities of a split's answers, by row: sums over their tokens, natural logarithm. */
  record LogProbs(double[] chosen, double[] rejected) {
    static final LogProbs NONE = new LogProbs(new double[0], new double[0]);
  }

  /**
   * Of both splits.
   *
   * @param test empty where nothing is evaluated
   */
  record Reference(LogProbs train, LogProbs test) {}

  /** Where it is kept between attempts. */
  interface Kept {
    /** For a run that is not gone on with. */
    Kept NOWHERE =
        new Kept() {
          @Override
          public Optional<Reference> read() {
            return Optional.empty();
          }

          @Override
          public void write(Reference reference) {}
        };

    Optional<Reference> read();

    void write(Reference reference);
  }

  /**
   * @param progress told how many rows are done
   */
  ReferencePolicy(RankModel model, Evaluation evaluation, Kept kept, LongConsumer progress) {
    this.model = model;
    this.evaluation = evaluation;
    this.kept = kept;
    this.progress = progress;
  }

  /**
   * Reads what was kept, or computes it; the parameters of version {@code done} are published.
   *
   * @param done steps done before
   * @param test rows that evaluations look at
   * @throws RunFailure if it is gone, and training has begun
   */
  Reference of(long done, PackedRows train, PackedRows test) {
    ProcessGroup exchange = model.exchange();
    Optional<Reference> before =
        kept.read()
            .filter(found -> found.train().chosen().length == train.size())
            .filter(found -> found.test().chosen().length == test.size());
    double ranksWithIt =
        exchange.sum("reference kept", 0, new double[] {before.isPresent() ? 1 : 0})[0];
    if (before.isPresent() && ranksWithIt == exchange.worldSize()) {
      return before.get();
    }
    if (done > 0) {
      throw new RunFailure(
          "The reference's log-probabilities of this run's pairs are gone, and can only be computed before the first step, but step %s is done. resume_from_checkpoint: never begins anew."
              .formatted(done));
    }
    if (exchange.rank() == 0) {
      LOG.info(
          "The reference's log-probabilities of {} pairs are computed, once for this run.",
          train.size() + test.size());
    }
    Reference reference =
        new Reference(logProbs("train", train, 0), logProbs("test", test, train.size()));
    if (exchange.rank() == 0) {
      kept.write(reference);
    }
    return reference;
  }

  private LogProbs logProbs(String split, PackedRows rows, int before) {
    ProcessGroup exchange = model.exchange();
    LogProbs all = new LogProbs(new double[rows.size()], new double[rows.size()]);
    for (int first = 0; first < rows.size(); first += ROWS_TOGETHER) {
      progress.accept(before + first);
      int count = Math.min(ROWS_TOGETHER, rows.size() - first);
      double[] own = new double[2 * count];
      int from = StepSchedule.shareBegin(count, exchange.rank(), exchange.worldSize());
      int to = StepSchedule.shareBegin(count, exchange.rank() + 1, exchange.worldSize());
      List<StepRow> mine = new ArrayList<>();
      for (int i = first + from; i < first + to; i++) {
        mine.add(new StepRow(rows.row(i), i));
      }
      int begin = first;
      evaluation.tokenLosses(
          0,
          mine,
          (batch, losses) -> {
            for (PreferenceLoss.Pair pair : PreferenceLoss.Pair.of(batch)) {
              own[2 * (pair.row() - begin)] = pair.chosen(losses);
              own[2 * (pair.row() - begin) + 1] = pair.rejected(losses);
            }
          });
      double[] sums = exchange.sum("reference " + split, first, own);
      for (int i = 0; i < count; i++) {
        all.chosen()[first + i] = sums[2 * i];
        all.rejected()[first + i] = sums[2 * i + 1];
      }
    }
    return all;
  }

  /**
   * A safetensors file with TRL's names of columns, {@code train.ref_chosen_logps} and so on,
   * (pairs) each; its name follows from all that shapes the run.
   *
   * @param folders the first is the run's own, another one that it went on from
   */
  record KeptInFile(List<RunFolder> folders, RunIdentity identity, Store store) implements Kept {
    private Path file(RunFolder folder) {
      return folder.referenceLogProbs(DigestUtils.sha256Hex(identity.values().toString()));
    }

    @Override
    public Optional<Reference> read() {
      return folders.stream().map(this::file).filter(store::exists).findFirst().map(this::read);
    }

    private Reference read(Path file) {
      try (Checkpoint tensors = Checkpoint.openFile(file, store)) {
        return new Reference(
            new LogProbs(column(tensors, "train" + CHOSEN), column(tensors, "train" + REJECTED)),
            new LogProbs(column(tensors, "test" + CHOSEN), column(tensors, "test" + REJECTED)));
      }
    }

    private static double[] column(Checkpoint tensors, String name) {
      TensorInfo info = tensors.info(name);
      ByteBuffer bytes =
          ByteBuffer.allocate(Math.toIntExact(info.byteCount())).order(ByteOrder.LITTLE_ENDIAN);
      tensors.read(name, 0, bytes);
      double[] values = new double[bytes.flip().remaining() / Double.BYTES];
      bytes.asDoubleBuffer().get(values);
      return values;
    }

    @Override
    public void write(Reference reference) {
      Map<String, double[]> columns = new LinkedHashMap<>();
      columns.put("train" + CHOSEN, reference.train().chosen());
      columns.put("train" + REJECTED, reference.train().rejected());
      columns.put("test" + CHOSEN, reference.test().chosen());
      columns.put("test" + REJECTED, reference.test().rejected());
      List<TensorSpec> specs = new ArrayList<>();
      columns.forEach((name, values) -> specs.add(new TensorSpec(name, DType.F64, values.length)));
      try (SafetensorsWriter writer =
          SafetensorsWriter.create(file(folders.get(0)), store, Map.of("format", "pt"), specs)) {
        for (double[] values : columns.values()) {
          ByteBuffer bytes =
              ByteBuffer.allocate(Double.BYTES * values.length).order(ByteOrder.LITTLE_ENDIAN);
          bytes.asDoubleBuffer().put(values);
          writer.write(bytes);
        }
        writer.commit();
      }
    }
  }
}
