package org.sparkfinetune.engine.metrics;

import com.google.protobuf.InvalidProtocolBufferException;
import java.io.ByteArrayOutputStream;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.util.List;
import java.util.Locale;
import java.util.OptionalLong;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.hadoop.fs.Path;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.store.RunFiles;
import org.tensorflow.util.Event;

/** The event files in a run's {@code tensorboard/}: their names, and what a resumed run keeps. */
final class EventFiles {

  private static final Pattern NAME = Pattern.compile("events\\.out\\.tfevents\\.(\\d+)\\..*");

  private final RunFiles files;
  private final Path folder;

  EventFiles(RunFiles files, Path folder) {
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
