package org.sparkfinetune.engine.metrics;

import com.google.protobuf.InvalidProtocolBufferException;
import java.io.ByteArrayOutputStream;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalLong;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.zip.CRC32C;
import org.apache.hadoop.fs.Path;
import org.sparkfinetune.engine.metrics.MetricsLine.Speed;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.store.GrowingFile;
import org.sparkfinetune.store.Store;
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

  private final Store files;
  private final GrowingFile file;

  private TensorBoardWriter(Store files, Path path, long firstStep) {
    this.files = files;
    byte[] version = event(0).setFileVersion(FILE_VERSION).build().toByteArray();
    this.file = files.grow(path, EventRecords.frame(version));
    SessionLog start = SessionLog.newBuilder().setStatus(SessionLog.SessionStatus.START).build();
    append(event(firstStep).setSessionLog(start));
  }

  /** The first file of a run, in place of all that were there. */
  public static TensorBoardWriter start(RunFolder folder, Store files) {
    EventFiles events = new EventFiles(files, folder.tensorboard());
    Path next = events.next();
    events.deleteAll();
    return new TensorBoardWriter(files, next, 0);
  }

  /** The next file of a run that goes on after {@code step}. */
  public static TensorBoardWriter resume(RunFolder folder, Store files, long step) {
    EventFiles events = new EventFiles(files, folder.tensorboard());
    events.dropAfter(step);
    return new TensorBoardWriter(files, events.next(), step + 1);
  }

  /**
   * {@code train/loss}, {@code grad_norm}, {@code learning_rate}, {@code epoch}, our speed, and of
   * pairs {@code train/rewards/chosen} and the others of TRL.
   */
  public void train(MetricsLine.Train line) {
    Map<String, Double> values = new LinkedHashMap<>();
    values.put("train/loss", line.loss());
    values.put("train/grad_norm", line.gradNorm());
    values.put("train/learning_rate", line.learningRate());
    values.put("train/epoch", line.epoch());
    values.put("train/tokens_per_second", line.tokensPerSecond());
    line.ofPairs().forEach((name, value) -> values.put("train/" + name, value));
    scalars(values, line.step());
  }

  /**
   * {@code eval/loss}, of a mixture {@code eval/loss/SOURCE}, metrics of answers, {@code runtime},
   * {@code samples_per_second}, {@code steps_per_second}.
   */
  public void evaluation(MetricsLine.Eval line, Speed speed) {
    Map<String, Double> values = new LinkedHashMap<>();
    values.put("eval/loss", line.evalLoss());
    line.lossBySource().forEach((source, loss) -> values.put("eval/loss/" + source, loss));
    line.metrics().forEach((name, value) -> values.put("eval/" + name, value));
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

  /**
   * The framing of TensorFlow's record files: u64 length, u32 masked CRC-32C of the length's bytes,
   * data, u32 masked CRC-32C of the data; little endian (tensorflow/core/lib/io/record_writer.cc).
   */
  static final class EventRecords {

    private static final int HEAD = Long.BYTES + Integer.BYTES;
    private static final int FOOT = Integer.BYTES;

    private EventRecords() {}

    static byte[] frame(byte[] data) {
      ByteBuffer record =
          ByteBuffer.allocate(HEAD + data.length + FOOT).order(ByteOrder.LITTLE_ENDIAN);
      record.putLong(data.length);
      record.putInt(maskedCrc(record.array(), 0, Long.BYTES));
      record.put(data);
      record.putInt(maskedCrc(data, 0, data.length));
      return record.array();
    }

    /** The data of the whole and sound records from the beginning on: a kill may cut the last. */
    static List<byte[]> unframe(byte[] file) {
      ByteBuffer bytes = ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN);
      List<byte[]> records = new ArrayList<>();
      while (bytes.remaining() >= HEAD + FOOT) {
        int start = bytes.position();
        long length = bytes.getLong();
        boolean isSound = bytes.getInt() == maskedCrc(file, start, Long.BYTES);
        if (!isSound || length < 0 || length > bytes.remaining() - FOOT) {
          break;
        }
        byte[] data = new byte[(int) length];
        bytes.get(data);
        if (bytes.getInt() != maskedCrc(data, 0, data.length)) {
          break;
        }
        records.add(data);
      }
      return records;
    }

    private static int maskedCrc(byte[] bytes, int from, int count) {
      CRC32C crc = new CRC32C();
      crc.update(bytes, from, count);
      return Integer.rotateRight((int) crc.getValue(), 15) + 0xA282EAD8;
    }
  }

  /** The event files in a run's {@code tensorboard/}: their names, and what a resumed run keeps. */
  static final class EventFiles {

    private static final Pattern NAME = Pattern.compile("events\\.out\\.tfevents\\.(\\d+)\\..*");

    private final Store files;
    private final Path folder;

    EventFiles(Store files, Path folder) {
      this.files = files;
      this.folder = folder;
    }

    /**
     * A name that sorts after all that are there: TensorBoard reads the files of a run in the order
     * of their names, and never goes back to an earlier one.
     */
    Path next() {
      List<Path> earlier = all();
      long newest = earlier.stream().mapToLong(path -> seconds(path).orElse(0)).max().orElse(0);
      long seconds = Math.max(files.clock().instant().getEpochSecond(), newest + 1);
      return new Path(
          folder,
          String.format(
              Locale.ROOT,
              "events.out.tfevents.%010d.%s.%d.%d",
              seconds,
              host(),
              ProcessHandle.current().pid(),
              earlier.size()));
    }

    void deleteAll() {
      all().forEach(files::delete);
    }

    /** Drops the events after {@code step}, and the record that a kill cut off. */
    void dropAfter(long step) {
      for (Path path : all()) {
        byte[] before = files.read(path).orElse(new byte[0]);
        ByteArrayOutputStream kept = new ByteArrayOutputStream();
        EventRecords.unframe(before).stream()
            .filter(data -> event(path, data).getStep() <= step)
            .forEach(data -> kept.writeBytes(EventRecords.frame(data)));
        if (kept.size() < before.length) {
          files.replace(path, kept.toByteArray());
        }
      }
    }

    private List<Path> all() {
      return files.list(folder).stream().filter(path -> seconds(path).isPresent()).toList();
    }

    private static OptionalLong seconds(Path path) {
      Matcher name = NAME.matcher(path.getName());
      return name.matches() && name.group(1).length() < 19
          ? OptionalLong.of(Long.parseLong(name.group(1)))
          : OptionalLong.empty();
    }

    private static Event event(Path path, byte[] data) {
      try {
        return Event.parseFrom(data);
      } catch (InvalidProtocolBufferException e) {
        throw new UserError(
            path + " is not a file of TensorBoard events; move it away to go on without it", e);
      }
    }

    private static String host() {
      try {
        return InetAddress.getLocalHost().getHostName();
      } catch (UnknownHostException e) {
        return "localhost";
      }
    }
  }
}
