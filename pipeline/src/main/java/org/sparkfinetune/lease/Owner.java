package org.sparkfinetune.lease;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.time.Duration;
import java.util.Optional;
import java.util.UUID;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;

/**
 * Who stands in a file as its writer.
 *
 * @param text for people: process, host, and what tells it from all others
 */
public record Owner(String text) {
  private static final Pattern FORM = Pattern.compile("process (\\d{1,18}) on ([^\\s,]+).*");

  /** Another one at each call. */
  public static Owner ofThisProcess() {
    return new Owner(
        "process %s on %s, %s"
            .formatted(ProcessHandle.current().pid(), hostName(), UUID.randomUUID()));
  }

  /** The one in a file; none where there is no file, or nothing in it yet. */
  public static Optional<Owner> in(FileSystem store, Path file) throws IOException {
    try (InputStream in = store.open(file)) {
      String text = new String(in.readAllBytes(), UTF_8);
      return text.isEmpty() ? Optional.empty() : Optional.of(new Owner(text));
    } catch (FileNotFoundException e) {
      return Optional.empty();
    }
  }

  /**
   * Writes itself into a new file.
   *
   * @throws IOException also if the file is there
   */
  public void create(FileSystem store, Path file) throws IOException {
    write(store.create(file, false));
  }

  /** Writes itself into a file, which says that it lives. */
  public void renew(FileSystem store, Path file) throws IOException {
    write(store.create(file, true));
  }

  private void write(OutputStream file) throws IOException {
    try (file) {
      file.write(text.getBytes(UTF_8));
    }
  }

  /** Why the writer of a file is held to be dead; empty while it lives. */
  public static Optional<String> death(FileSystem store, Path file, Duration deadAfter)
      throws IOException {
    Optional<Owner> owner = in(store, file);
    if (owner.filter(Owner::isGone).isPresent()) {
      return Optional.of(owner.get().text() + " is gone");
    }
    try {
      long last = store.getFileStatus(file).getModificationTime();
      Duration silence = Duration.ofMillis(System.currentTimeMillis() - last);
      return silence.compareTo(deadAfter) > 0
          ? Optional.of(
              "no sign of life for %s s of %s"
                  .formatted(silence.toSeconds(), owner.map(Owner::text).orElse("an unnamed one")))
          : Optional.empty();
    } catch (FileNotFoundException e) {
      return Optional.of("its sign of life is gone");
    }
  }

  private boolean isGone() {
    Matcher words = FORM.matcher(text);
    return words.matches()
        && words.group(2).equals(hostName())
        && ProcessHandle.of(Long.parseLong(words.group(1))).isEmpty();
  }

  private static String hostName() {
    try {
      return InetAddress.getLocalHost().getHostName().replaceAll("[\\s,]", "-");
    } catch (IOException e) {
      return "localhost";
    }
  }
}
