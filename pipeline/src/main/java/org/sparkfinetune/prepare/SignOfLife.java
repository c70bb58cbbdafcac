package org.sparkfinetune.prepare;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A file that its writer renews while it lives: what a dead one left is told from what a living one
 * is making by it, on any store and from any host.
 */
final class SignOfLife implements AutoCloseable {
  static final Duration DEAD_AFTER = Duration.ofSeconds(90);
  private static final Duration BEAT = Duration.ofSeconds(20);
  private static final Pattern OWNER = Pattern.compile("process (\\d{1,18}) on (\\S+)");
  private static final Logger LOG = LoggerFactory.getLogger(SignOfLife.class);

  private final FileSystem store;
  private final Path file;
  private final ScheduledExecutorService timer =
      Executors.newSingleThreadScheduledExecutor(
          work -> {
            Thread thread = new Thread(work, "sign-of-life");
            thread.setDaemon(true);
            return thread;
          });

  private SignOfLife(FileSystem store, Path file) {
    this.store = store;
    this.file = file;
  }

  /** Writes the file and renews it until closed. */
  static SignOfLife begin(FileSystem store, Path file) throws IOException {
    SignOfLife sign = new SignOfLife(store, file);
    sign.write();
    var unused =
        sign.timer.scheduleWithFixedDelay(
            sign::beat, BEAT.toSeconds(), BEAT.toSeconds(), TimeUnit.SECONDS);
    return sign;
  }

  private void write() throws IOException {
    try (OutputStream out = store.create(file, true)) {
      String owner = "process %d on %s".formatted(ProcessHandle.current().pid(), hostName());
      out.write(owner.getBytes(UTF_8));
    }
  }

  private void beat() {
    try {
      write();
    } catch (IOException e) {
      LOG.warn("The sign of life {} could not be renewed: {}", file, Failures.oneLine(e));
    }
  }

  /** Who writes a file. */
  static String owner(FileSystem store, Path file) throws IOException {
    try (InputStream in = store.open(file)) {
      return new String(in.readAllBytes(), UTF_8);
    } catch (FileNotFoundException e) {
      return "";
    }
  }

  /** Why the writer of a file is held to be dead; empty while it lives. */
  static Optional<String> death(FileSystem store, Path file) throws IOException {
    String owner = owner(store, file);
    Matcher words = OWNER.matcher(owner);
    if (words.matches()
        && words.group(2).equals(hostName())
        && ProcessHandle.of(Long.parseLong(words.group(1))).isEmpty()) {
      return Optional.of(owner + " is gone");
    }
    return silence(store, file)
        .filter(silence -> silence.compareTo(DEAD_AFTER) > 0)
        .map(silence -> "no sign of life for %d s of %s".formatted(silence.toSeconds(), owner));
  }

  private static Optional<Duration> silence(FileSystem store, Path file) throws IOException {
    try {
      long last = store.getFileStatus(file).getModificationTime();
      return Optional.of(Duration.ofMillis(System.currentTimeMillis() - last));
    } catch (FileNotFoundException e) {
      return Optional.empty();
    }
  }

  private static String hostName() {
    try {
      return InetAddress.getLocalHost().getHostName().replaceAll("\\s", "-");
    } catch (IOException e) {
      return "localhost";
    }
  }

  /** To be called last: from then on nothing says that somebody is at work. */
  @Override
  public void close() throws IOException {
    timer.shutdownNow();
    try {
      // A beat under way would bring the file back.
      timer.awaitTermination(BEAT.toSeconds(), TimeUnit.SECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    store.delete(file, false);
  }
}
