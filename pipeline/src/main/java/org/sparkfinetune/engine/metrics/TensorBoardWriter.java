package org.sparkfinetune.engine.metrics;

import java.util.LinkedHashMap;
import java.util.Map;
import org.apache.hadoop.fs.Path;
import org.sparkfinetune.store.GrowingFile;
import org.sparkfinetune.store.RunFiles;
import org.tensorflow.framework.Summary;
import org.tensorflow.util.Event;
import org.tensorflow.util.SessionLog;

/**
 * TensorBoard's events with the tags of transformers' Trainer, written by rank 0 alone; for one
 * thread. Visible to readers as {@link MetricsLog} is.
 *
 * <p>A resumed run begins a new file. Events after its checkpoint are dropped from the earlier
 * files, for those who read them with a script. Every file begins with {@code SessionLog.START} at
 * its first step, upon which a TensorBoard that has already read later events forgets them; the
 * first file too, because TensorBoard takes the first start that it sees for no restart
 * (tensorboard 2.21, plugin_event_accumulator.py).
 */
public final class TensorBoardWriter implements AutoCloseable {

  private static final String FILE_VERSION = "brain.Event:2";

  private final RunFiles files;
  private final GrowingFile file;

  private TensorBoardWriter(RunFiles files, Path path, long firstStep) {
    this.files = files;
    byte[] version = event(0).setFileVersion(FILE_VERSION).build().toByteArray();
    this.file = files.grow(path, EventRecords.frame(version));
    SessionLog start = SessionLog.newBuilder().setStatus(SessionLog.SessionStatus.START).build();
    append(event(firstStep).setSessionLog(start));
  }

  /** The first file of a run, in place of all that were there. */
  public static TensorBoardWriter start(RunFolder folder, RunFiles files) {
    EventFiles events = new EventFiles(files, folder.tensorboard());
    Path next = events.next();
    events.deleteAll();
    return new TensorBoardWriter(files, next, 0);
  }

  /** The next file of a run that goes on after {@code step}. */
  public static TensorBoardWriter resume(RunFolder folder, RunFiles files, long step) {
    EventFiles events = new EventFiles(files, folder.tensorboard());
    events.dropAfter(step);
    return new TensorBoardWriter(files, events.next(), step + 1);
  }

  /** {@code train/loss}, {@code grad_norm}, {@code learning_rate}, {@code epoch}, our speed. */
  public void train(MetricsLine.Train line) {
    Map<String, Double> values = new LinkedHashMap<>();
    values.put("train/loss", line.loss());
    values.put("train/grad_norm", line.gradNorm());
    values.put("train/learning_rate", line.learningRate());
    values.put("train/epoch", line.epoch());
    values.put("train/tokens_per_second", line.tokensPerSecond());
    scalars(values, line.step());
  }

  /** {@code eval/loss}, {@code runtime}, {@code samples_per_second}, {@code steps_per_second}. */
  public void evaluation(MetricsLine.Eval line, Speed speed) {
    Map<String, Double> values = new LinkedHashMap<>();
    values.put("eval/loss", line.evalLoss());
    values.put("eval/runtime", speed.seconds());
    values.put("eval/samples_per_second", speed.samplesPerSecond());
    values.put("eval/steps_per_second", speed.stepsPerSecond());
    scalars(values, line.step());
  }

  /**
   * What Trainer writes at the end.
   *
   * @param totalFlos floating-point operations of the whole run, over all ranks
   * @param trainLoss mean over the steps
   */
  public void finished(long step, Speed speed, double totalFlos, double trainLoss) {
    Map<String, Double> values = new LinkedHashMap<>();
    values.put("train/train_runtime", speed.seconds());
    values.put("train/train_samples_per_second", speed.samplesPerSecond());
    values.put("train/train_steps_per_second", speed.stepsPerSecond());
    values.put("train/total_flos", totalFlos);
    values.put("train/train_loss", trainLoss);
    scalars(values, step);
  }

  /** Values of several curves at one step, by tag; TensorBoard keeps them in 32 bits. */
  public void scalars(Map<String, Double> values, long step) {
    Summary.Builder summary = Summary.newBuilder();
    values.forEach(
        (tag, value) ->
            summary.addValue(
                Summary.Value.newBuilder().setTag(tag).setSimpleValue(value.floatValue())));
    append(event(step).setSummary(summary));
  }

  public void flush() {
    file.flush();
  }

  @Override
  public void close() {
    file.close();
  }

  private Event.Builder event(long step) {
    return Event.newBuilder().setWallTime(files.clock().millis() / 1e3).setStep(step);
  }

  private void append(Event.Builder event) {
    file.append(EventRecords.frame(event.build().toByteArray()));
  }
}
