package org.sparkfinetune.progress;

import java.nio.ByteBuffer;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.Locale;
import java.util.function.Consumer;
import org.sparkfinetune.store.Heartbeat;

/**
 * How much of some work is done, and the time left, which follows from the speed since its first
 * part was done: what comes before that, such as loading a model, says nothing of the rest. Short
 * work leaves no line. Safe for several threads.
 */
public final class Progress implements AutoCloseable {
  /** Before this nobody asks, and nothing is known. */
  private static final Duration FIRST_LINE = Duration.ofSeconds(10);

  private static final Duration BETWEEN_LINES = Duration.ofSeconds(30);
  private static final Duration BETWEEN_STATUSES = Duration.ofMillis(500);

  private final StatusLine screen;
  private final InstantSource clock;
  private final Unit unit;
  private final long total;
  private final Instant started;
  private String what;
  private long done;
  private long doneAtFirst;
  private Instant first;
  private Instant nextLine;
  private Runnable onClose = () -> {};
  private boolean isClosed;

  /** What is counted. */
  public enum Unit {
    BYTES,
    LAYERS,
    ROWS,
    /** Of work whose parts mean nothing to people. */
    SHARE;

    private String of(long done, long total) {
      return switch (this) {
        case BYTES -> HumanReadable.bytes(done) + " of " + HumanReadable.bytes(total);
        case LAYERS, ROWS -> done + " of " + total + " " + word();
        case SHARE -> (total > 0 ? 100 * done / total : 0) + " %";
      };
    }

    private String speed(double perSecond) {
      return switch (this) {
        case BYTES -> "  " + HumanReadable.bytes((long) perSecond) + "/s";
        case LAYERS, ROWS ->
            String.format(
                Locale.ROOT, perSecond < 10 ? "  %.2f %s/s" : "  %.0f %s/s", perSecond, word());
        case SHARE -> "";
      };
    }

    private String word() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  /**
   * @param what is done, in a word or two
   */
  Progress(StatusLine screen, InstantSource clock, String what, long total, Unit unit) {
    this.screen = screen;
    this.clock = clock;
    this.what = what;
    this.total = total;
    this.unit = unit;
    this.started = clock.instant();
    this.first = started;
    this.nextLine = started.plus(FIRST_LINE);
  }

  /** Shown from now on until it is closed. */
  public static Progress onStandardError(String what, long total, Unit unit) {
    StatusLine screen = StatusLine.onStandardError();
    return new Progress(screen, InstantSource.system(), what, total, unit).shown(screen::close);
  }

  /** The same on a screen that stays open for others. */
  public static Progress on(StatusLine screen, String what, long total, Unit unit) {
    return new Progress(screen, InstantSource.system(), what, total, unit).shown(() -> {});
  }

  private Progress shown(Runnable afterwards) {
    Heartbeat beat = Heartbeat.start("progress", BETWEEN_STATUSES, this::show);
    onClose =
        () -> {
          // Not closed: that would wait for a line which waits for this object.
          beat.stop();
          afterwards.run();
        };
    return this;
  }

  /** Another part of the work begins. */
  public synchronized void enter(String part) {
    what = part;
  }

  /** More is done. */
  public synchronized void add(long more) {
    reach(done + more);
  }

  /** A sink of bytes, which count as done when it has taken them. */
  public Consumer<ByteBuffer> counting(Consumer<ByteBuffer> sink) {
    return bytes -> {
      int count = bytes.remaining();
      sink.accept(bytes);
      add(count);
    };
  }

  /** So much is done by now; never less than before. */
  public synchronized void reach(long now) {
    if (now > done && done == 0) {
      first = clock.instant();
      doneAtFirst = now;
    }
    done = Math.max(done, Math.min(now, total));
  }

  synchronized void show() {
    if (isClosed) {
      return;
    }
    screen.status("%-9s %s  %s".formatted(what, HumanReadable.bar(done, total), text()));
    if (!screen.isTerminal() && !clock.instant().isBefore(nextLine)) {
      screen.line("INFO %-9s %s".formatted(what, text()));
      nextLine = clock.instant().plus(BETWEEN_LINES);
    }
  }

  private String text() {
    double speed = speed();
    return speed > 0
        ? "%s%s  %s left"
            .formatted(
                unit.of(done, total),
                unit.speed(speed),
                HumanReadable.time(Duration.ofMillis(Math.round((total - done) / speed * 1e3))))
        : unit.of(done, total);
  }

  /** Units a second; 0 as long as it is not known. */
  private double speed() {
    boolean hasMore = done > doneAtFirst;
    double seconds = Duration.between(hasMore ? first : started, clock.instant()).toMillis() / 1e3;
    return seconds > 0 ? (hasMore ? done - doneAtFirst : done) / seconds : 0;
  }

  /** Says what was done, if it took long. */
  @Override
  public synchronized void close() {
    if (isClosed) {
      return;
    }
    isClosed = true;
    Duration time = Duration.between(started, clock.instant());
    if (done > 0 && time.compareTo(FIRST_LINE) >= 0) {
      screen.line(
          "INFO %-9s %s in %s".formatted(what, unit.of(done, total), HumanReadable.time(time)));
    }
    screen.erase();
    onClose.run();
  }
}
