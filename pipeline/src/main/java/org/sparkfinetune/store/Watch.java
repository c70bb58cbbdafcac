package org.sparkfinetune.store;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.io.InterruptedIOException;
import java.time.Duration;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Tells living writers of files from dead ones by looking at their files again and again. The first
 * line of a file is its {@link Owner}; what else is in it has to change with each renewal.
 */
public final class Watch {
  private static final Logger LOG = LoggerFactory.getLogger(Watch.class);

  private final FileSystem store;
  private final Pace pace;
  private final Map<Path, Seen> seen = new HashMap<>();

  public Watch(FileSystem store, Pace pace) {
    this.store = store;
    this.pace = pace;
  }

  /**
   * How often files are rewritten and looked at. Looks are counted, not time: a process that is
   * stopped for an hour between two looks has not watched for an hour.
   *
   * @param beat between two renewals by a writer
   * @param looks after which a file that has not changed belongs to the dead
   * @param pause what passes between two looks
   */
  public record Pace(Duration beat, int looks, Pause pause) {
    private static final Duration LOOK = Duration.ofSeconds(1);

    /** A renewal every 10 s, and 60 looks, one a second. */
    public static final Pace USUAL =
        new Pace(Duration.ofSeconds(10), 60, () -> TimeUnit.MILLISECONDS.sleep(LOOK.toMillis()));

    /** Waits for the next look. */
    public interface Pause {
      void await() throws InterruptedException;
    }

    void await() throws IOException {
      try {
        pause.await();
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new InterruptedIOException(
            "interrupted while watching whether another process lives");
      }
    }
  }

  /** What is known of a writer. */
  public enum Life {
    UNKNOWN,
    ALIVE,
    DEAD
  }

  /**
   * What the looks at a file have shown.
   *
   * @param now what was in it, with the time of its last change where that was nothing
   * @param text what was in it last: it is empty for a moment while it is rewritten
   * @param unchanged looks since it was another one
   */
  record Seen(String now, String text, int unchanged, Life life) {
    String owner() {
      return text.isEmpty()
          ? "a process that has not named itself"
          : text.lines().findFirst().get();
    }

    /** Why it is held to be dead. */
    String death() {
      return new Owner(owner()).isGone()
          ? owner() + " has ended"
          : "no sign of life of %s for %s s".formatted(owner(), unchanged);
    }
  }

  /** Looks once; empty if there is no such file. */
  Optional<Seen> look(Path file) throws IOException {
    Optional<String> text = read(store, file);
    if (text.isEmpty()) {
      seen.remove(file);
      return Optional.empty();
    }
    Seen now = after(seen.get(file), text.get(), text.get().isEmpty() ? changed(file) : "");
    seen.put(file, now);
    return Optional.of(now);
  }

  /** Tells a file that is being rewritten at each look from one that stays empty. */
  private String changed(Path file) throws IOException {
    try {
      return "empty since " + store.getFileStatus(file).getModificationTime();
    } catch (FileNotFoundException e) {
      return "gone";
    }
  }

  private Seen after(@Nullable Seen before, String content, String emptied) {
    String text = content.isEmpty() && before != null ? before.text() : content;
    String now = content + emptied;
    if (new Owner(text.lines().findFirst().orElse("")).isGone()) {
      return new Seen(now, text, 0, Life.DEAD);
    }
    if (before == null) {
      return new Seen(now, text, 0, Life.UNKNOWN);
    }
    if (!now.equals(before.now())) {
      // It lives, but was empty at each look so far: the next one may tell who it is.
      return new Seen(now, text, 0, text.isEmpty() ? Life.UNKNOWN : Life.ALIVE);
    }
    int unchanged = before.unchanged() + 1;
    return new Seen(now, text, unchanged, unchanged < pace.looks() ? before.life() : Life.DEAD);
  }

  /**
   * Looks at files until it is known which writers live, and says so if that takes time.
   *
   * @return why each is held to be dead; empty for those that live
   */
  public Map<Path, Optional<String>> deaths(Collection<Path> files) throws IOException {
    Map<Path, Optional<String>> deaths = new HashMap<>();
    Set<Path> open = new HashSet<>(files);
    for (boolean first = true; ; first = false) {
      for (Path file : Set.copyOf(open)) {
        Optional<Seen> found = look(file);
        if (found.isEmpty()) {
          deaths.put(file, Optional.of("its sign of life is gone"));
        } else if (found.get().life() == Life.DEAD) {
          deaths.put(file, Optional.of(found.get().death()));
        } else if (found.get().life() == Life.ALIVE) {
          deaths.put(file, Optional.empty());
        } else if (first) {
          say(file, found.get(), pace);
        }
      }
      open.removeAll(deaths.keySet());
      if (open.isEmpty()) {
        return deaths;
      }
      pace.await();
    }
  }

  static void say(Path file, Seen found, Pace pace) {
    LOG.warn(
        "{} is in use by {}. Waiting for up to {} s for a change of it, which shows that the"
            + " process lives.",
        file,
        found.owner(),
        pace.looks());
  }

  /** Who writes a file. */
  public String owner(Path file) throws IOException {
    Seen found = seen.get(file);
    return found == null ? "" : found.owner();
  }

  /** What is in a file; empty if it is not there. */
  static Optional<String> read(FileSystem store, Path file) throws IOException {
    try {
      // HDFS fails, after seconds, when a file is read that is just being rewritten.
      if (store.getFileStatus(file).getLen() == 0) {
        return Optional.of("");
      }
      try (InputStream in = store.open(file)) {
        return Optional.of(new String(in.readAllBytes(), UTF_8));
      }
    } catch (FileNotFoundException e) {
      return Optional.empty();
    }
  }
}
