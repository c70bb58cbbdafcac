package org.sparkfinetune.store;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Optional;
import java.util.UUID;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.hadoop.fs.FileSystem;

/**
 * A process that stands in a file as its writer. What tells it from all others is a random id: pids
 * and host names are the same in many containers.
 *
 * @param text for people: process, host, on Linux when it started and on which kernel, and the id
 */
public record Owner(String text) {
  private static final Path PROC = Path.of("/proc");
  private static final Pattern FORM =
      Pattern.compile(
          "process (\\d{1,18}) on \\S+, started at (\\d{1,20}) on kernel (\\S+ \\S+), \\S+");

  /** Fields of {@code /proc/PID/stat} after the name; see proc(5). */
  private static final int STATE = 0;

  private static final int THREADS = 17;
  private static final int STARTED = 19;

  /** Another one at each call. */
  public static Owner ofThisProcess() {
    return of(ProcessHandle.current().pid());
  }

  /** A process on this kernel. */
  public static Owner of(long pid) {
    String place =
        kernel()
            .flatMap(
                kernel -> started(pid).map(at -> ", started at " + at + " on kernel " + kernel))
            .orElse("");
    return new Owner("process %s on %s%s, %s".formatted(pid, hostName(), place, UUID.randomUUID()));
  }

  /**
   * Writes itself into a file, which says that it lives.
   *
   * @param news another text each time: whoever watches sees the file change
   */
  public void sign(FileSystem store, org.apache.hadoop.fs.Path file, String news)
      throws IOException {
    try (OutputStream out = store.create(file, true)) {
      out.write((text + "\n" + news + "\n").getBytes(UTF_8));
    }
  }

  /** Whether the process table of this kernel says that the process has ended. */
  public boolean isGone() {
    Matcher words = FORM.matcher(text);
    return words.matches()
        && kernel().equals(Optional.of(words.group(3)))
        && isGone(words.group(1), words.group(2));
  }

  private static boolean isGone(String pid, String started) {
    try {
      String[] stat = stat(pid);
      // Dead, but its parent has not asked yet. (A first thread that ended leaves others.)
      boolean zombie = stat[STATE].matches("[ZX]") && stat[THREADS].equals("1");
      return zombie || !stat[STARTED].equals(started);
    } catch (NoSuchFileException e) {
      // Where the processes of other users are hidden, the first one is, too.
      return Files.exists(PROC.resolve("1"));
    } catch (IOException e) {
      return false;
    }
  }

  private static Optional<String> started(long pid) {
    try {
      return Optional.of(stat(Long.toString(pid))[STARTED]);
    } catch (IOException e) {
      return Optional.empty();
    }
  }

  private static String[] stat(String pid) throws IOException {
    String stat = Files.readString(PROC.resolve(pid).resolve("stat"));
    String[] fields = stat.substring(stat.lastIndexOf(')') + 1).trim().split(" ");
    if (fields.length <= STARTED) {
      throw new IOException("/proc/%s/stat has %s fields".formatted(pid, fields.length));
    }
    return fields;
  }

  /**
   * Boot and pid namespace, within which a pid and a start name one process; empty where there is
   * no {@code /proc}, or one of another namespace.
   */
  private static Optional<String> kernel() {
    try {
      String self = Files.readSymbolicLink(PROC.resolve("self")).toString();
      if (!self.equals(Long.toString(ProcessHandle.current().pid()))) {
        return Optional.empty();
      }
      String boot = Files.readString(PROC.resolve("sys/kernel/random/boot_id")).trim();
      return Optional.of(boot + " " + Files.readSymbolicLink(PROC.resolve("self/ns/pid")));
    } catch (IOException e) {
      return Optional.empty();
    }
  }

  private static String hostName() {
    try {
      return InetAddress.getLocalHost().getHostName().replaceAll("[\\s,]", "-");
    } catch (IOException e) {
      return "localhost";
    }
  }
}
