package org.sparkfinetune.engine.metrics;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.DataInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sparkfinetune.engine.metrics.MetricsLine.Speed;
import org.sparkfinetune.engine.metrics.TensorBoardWriter.EventRecords;
import org.sparkfinetune.store.Store;
import org.tensorflow.framework.Summary;
import org.tensorflow.util.Event;
import org.tensorflow.util.SessionLog;

class TensorBoardWriterTest {

  private static final String GOLDEN =
      "/golden/tensorboard/events.out.tfevents.1795507059.vm.8529.0";

  private final ManualClock clock = new ManualClock();
  private final Store files = new Store(new Configuration(), clock);

  @TempDir Path folder;

  @Test
  void crc_of_the_bitwise_reader_is_the_published_one() {
    // RFC 3720, B.4: 32 bytes of zeros
    assertThat(crc32c(new byte[32])).isEqualTo(0x8a9136aa);
  }

  @Test
  void a_file_of_tensorboards_own_writer_passes_the_same_checks() throws IOException {
    List<Event> events = events(golden());
    assertThat(events).hasSize(13);
    assertThat(events.get(0).getFileVersion()).isEqualTo("brain.Event:2");
    assertThat(EventRecords.unframe(golden())).hasSize(13);
  }

  @Test
  void records_are_framed_as_tensorboards_own_writer_frames_them() throws IOException {
    byte[] golden = golden();
    byte[] again = new byte[golden.length];
    int at = 0;
    for (byte[] data : EventRecords.unframe(golden)) {
      byte[] record = EventRecords.frame(data);
      System.arraycopy(record, 0, again, at, record.length);
      at += record.length;
    }
    assertThat(again).isEqualTo(golden);
  }

  @Test
  void training_has_the_reference_tags_and_values() throws IOException {
    try (TensorBoardWriter writer = TensorBoardWriter.start(run(), files)) {
      Stream.of(10, 20, 30).map(TensorBoardWriterTest::train).forEach(writer::train);
    }
    List<Event> events = events(Files.readAllBytes(eventFiles().get(0)));
    assertThat(events.get(0).getFileVersion()).isEqualTo("brain.Event:2");
    assertThat(events.get(0).getWallTime()).isEqualTo(1.7e9);
    assertThat(scalars(events)).containsAll(scalars(events(golden())));
    assertThat(tags(events)).containsAll(tags(events(golden())));
  }

  @Test
  void evaluation_and_the_end_have_trainers_tags() throws IOException {
    try (TensorBoardWriter writer = TensorBoardWriter.start(run(), files)) {
      writer.evaluation(new MetricsLine.Eval(10, 1, 1.5, 100), new Speed(2, 10, 5));
      writer.finished(20, new Speed(100, 400, 20), 1e15, 0.75);
    }
    assertThat(scalars(events(Files.readAllBytes(eventFiles().get(0)))))
        .containsExactly(
            "10 eval/loss 1.5",
            "10 eval/runtime 2.0",
            "10 eval/samples_per_second 5.0",
            "10 eval/steps_per_second 2.5",
            "20 train/train_runtime 100.0",
            "20 train/train_samples_per_second 4.0",
            "20 train/train_steps_per_second 0.2",
            "20 train/total_flos 9.9999999E14",
            "20 train/train_loss 0.75");
  }

  @Test
  void the_file_is_named_as_tensorboard_expects_and_can_be_read_while_it_grows()
      throws IOException {
    try (TensorBoardWriter writer = TensorBoardWriter.start(run(), files)) {
      writer.train(train(1));
      assertThat(eventFiles().get(0).getFileName().toString())
          .matches("events\\.out\\.tfevents\\.1700000000\\..+\\.\\d+\\.0");
      assertThat(events(Files.readAllBytes(eventFiles().get(0)))).hasSize(3);
    }
  }

  @Test
  void a_resumed_run_goes_on_in_a_later_file_with_no_step_twice() throws IOException {
    try (TensorBoardWriter writer = TensorBoardWriter.start(run(), files)) {
      Stream.of(1, 2, 3, 4).map(TensorBoardWriterTest::train).forEach(writer::train);
    }
    try (TensorBoardWriter writer = TensorBoardWriter.resume(run(), files, 2)) {
      Stream.of(3, 4, 5).map(TensorBoardWriterTest::train).forEach(writer::train);
    }
    List<Path> both = eventFiles();
    assertThat(both).hasSize(2);
    assertThat(both.get(1).getFileName().toString()).contains(".1700000001.");
    assertThat(steps(both.get(0))).containsExactly(1L, 2L);
    assertThat(steps(both.get(1))).containsExactly(3L, 4L, 5L);
    assertThat(sessionStart(both.get(0))).isEqualTo(0);
    assertThat(sessionStart(both.get(1))).isEqualTo(3);
  }

  @Test
  void a_record_that_a_kill_cut_off_is_dropped_when_the_run_goes_on() throws IOException {
    try (TensorBoardWriter writer = TensorBoardWriter.start(run(), files)) {
      writer.train(train(1));
      writer.train(train(2));
    }
    Path file = eventFiles().get(0);
    byte[] whole = Files.readAllBytes(file);
    Files.write(file, java.util.Arrays.copyOf(whole, whole.length - 3));
    TensorBoardWriter.resume(run(), files, 2).close();
    assertThat(steps(file)).containsExactly(1L);
  }

  @Test
  void a_new_run_replaces_what_was_there() throws IOException {
    TensorBoardWriter.start(run(), files).close();
    clock.pass(Duration.ofSeconds(5));
    TensorBoardWriter.start(run(), files).close();
    assertThat(eventFiles()).hasSize(1);
    assertThat(eventFiles().get(0).getFileName().toString()).contains(".1700000005.");
  }

  @Test
  void bytes_that_were_changed_end_the_reading() throws IOException {
    byte[] golden = golden();
    golden[100] ^= 1;
    assertThat(EventRecords.unframe(golden)).hasSize(1);
    golden[9] ^= 1;
    assertThat(EventRecords.unframe(golden)).isEmpty();
  }

  /** The step of the session's start, which TensorBoard wants before any value. */
  private static long sessionStart(Path file) throws IOException {
    Event start = events(Files.readAllBytes(file)).get(1);
    assertThat(start.getSessionLog().getStatus()).isEqualTo(SessionLog.SessionStatus.START);
    return start.getStep();
  }

  /** Reads records by itself: bit by bit, without the code under test. */
  private static List<Event> events(byte[] file) throws IOException {
    List<Event> events = new ArrayList<>();
    DataInputStream in = new DataInputStream(new java.io.ByteArrayInputStream(file));
    while (in.available() > 0) {
      byte[] length = in.readNBytes(8);
      assertThat(unmasked(Integer.reverseBytes(in.readInt()))).isEqualTo(crc32c(length));
      byte[] data = in.readNBytes((int) new java.math.BigInteger(reversed(length)).longValue());
      assertThat(unmasked(Integer.reverseBytes(in.readInt()))).isEqualTo(crc32c(data));
      events.add(Event.parseFrom(data));
    }
    return events;
  }

  private static byte[] reversed(byte[] bytes) {
    byte[] reversed = new byte[bytes.length];
    for (int i = 0; i < bytes.length; i++) {
      reversed[i] = bytes[bytes.length - 1 - i];
    }
    return reversed;
  }

  private static int unmasked(int masked) {
    return Integer.rotateLeft(masked - 0xA282EAD8, 15);
  }

  private static int crc32c(byte[] bytes) {
    int crc = -1;
    for (byte b : bytes) {
      crc ^= b & 0xff;
      for (int bit = 0; bit < 8; bit++) {
        crc = (crc >>> 1) ^ ((crc & 1) == 1 ? 0x82F63B78 : 0);
      }
    }
    return ~crc;
  }

  private static Set<String> tags(List<Event> events) {
    Set<String> tags = new TreeSet<>();
    events.forEach(
        event -> event.getSummary().getValueList().forEach(value -> tags.add(value.getTag())));
    return tags;
  }

  private static List<String> scalars(List<Event> events) {
    List<String> scalars = new ArrayList<>();
    for (Event event : events) {
      for (Summary.Value value : event.getSummary().getValueList()) {
        scalars.add(event.getStep() + " " + value.getTag() + " " + value.getSimpleValue());
      }
    }
    return scalars;
  }

  private static List<Long> steps(Path file) throws IOException {
    return events(Files.readAllBytes(file)).stream()
        .filter(event -> event.getSummary().getValueCount() > 0)
        .map(Event::getStep)
        .toList();
  }

  private List<Path> eventFiles() throws IOException {
    try (Stream<Path> all = Files.list(folder.resolve("tensorboard"))) {
      return all.sorted().toList();
    }
  }

  private RunFolder run() {
    return RunFolder.of(folder.toString());
  }

  private static MetricsLine.Train train(long step) {
    return new MetricsLine.Train(step, step / 100.0, 1.0 / step, 0.3, 2e-4, 100, 50, 1);
  }

  private static byte[] golden() throws IOException {
    try (InputStream in = TensorBoardWriterTest.class.getResourceAsStream(GOLDEN)) {
      return in.readAllBytes();
    }
  }
}
