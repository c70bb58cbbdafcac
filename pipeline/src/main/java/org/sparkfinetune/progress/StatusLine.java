package org.sparkfinetune.progress;

import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.core.Filter;
import org.apache.logging.log4j.core.LogEvent;
import org.apache.logging.log4j.core.LoggerContext;
import org.apache.logging.log4j.core.appender.ConsoleAppender;
import org.apache.logging.log4j.core.filter.AbstractFilter;

/**
 * Standard error as a person sees it: a terminal, whose last line is a status that is rewritten, or
 * a log, which has lines alone. Safe for several threads.
 */
public final class StatusLine implements AutoCloseable {
  private static final int USUAL_COLUMNS = 80;
  private static final String ERASE_LINE = "\r\033[K";

  /** What is wider than the terminal does not go on in its next line, whose start \r would miss. */
  private static final String NO_WRAP = "\033[?7l";

  private static final String WRAP = "\033[?7h";

  /** A log line is on its way while this lasts: the status would come between. */
  private static final Duration LOG_LINE = Duration.ofMillis(50);

  private static final Pattern STTY = Pattern.compile("\\d+ (\\d+)");

  private final Kind kind;
  private final int columns;
  private final Consumer<String> out;
  private final InstantSource clock;
  private Instant logged = Instant.MIN;
  private boolean hasStatus;
  private Runnable onClose = () -> {};

  /** What reads it. */
  public enum Kind {
    TERMINAL,
    LOG
  }

  /**
   * @param columns of a terminal
   * @param out takes text as it is, without a line end of its own
   */
  public StatusLine(Kind kind, int columns, Consumer<String> out, InstantSource clock) {
    this.kind = kind;
    this.columns = columns;
    this.out = out;
    this.clock = clock;
  }

  /** Standard error: standard output is for results. */
  public static StatusLine onStandardError() {
    Map<String, String> environment = System.getenv();
    Optional<Path> terminal = terminal(Path.of("/proc/self/fd/2"), environment);
    StatusLine screen =
        new StatusLine(
            terminal.isPresent() ? Kind.TERMINAL : Kind.LOG,
            terminal.map(path -> columns(path, environment)).orElse(USUAL_COLUMNS),
            System.err::print,
            InstantSource.system());
    if (screen.isTerminal()) {
      screen.onClose = LogLines.of(screen::beforeLogLine);
    }
    return screen;
  }

  /**
   * The terminal that a descriptor is, by Linux' link to what is open; Java 17 knows only whether
   * standard input and output both are terminals. Where there are no such links, that has to do.
   */
  static Optional<Path> terminal(Path descriptor, Map<String, String> environment) {
    String type = environment.getOrDefault("TERM", "dumb");
    if (type.equals("dumb") || environment.containsKey("CI")) {
      return Optional.empty();
    }
    try {
      return Optional.of(Files.readSymbolicLink(descriptor))
          .filter(path -> path.toString().matches("/dev/(pts/\\d+|tty.*|console)"));
    } catch (IOException | UnsupportedOperationException e) {
      return System.console() == null ? Optional.empty() : Optional.of(Path.of("/dev/tty"));
    }
  }

  private static int columns(Path terminal, Map<String, String> environment) {
    String told = environment.getOrDefault("COLUMNS", "");
    return told.matches("[1-9]\\d{0,3}") ? Integer.parseInt(told) : askedColumns(terminal);
  }

  private static int askedColumns(Path terminal) {
    try {
      Process stty =
          new ProcessBuilder("stty", "size")
              .redirectInput(new File(terminal.toString()))
              .redirectError(ProcessBuilder.Redirect.DISCARD)
              .start();
      if (!stty.waitFor(1, TimeUnit.SECONDS)) {
        stty.destroyForcibly();
        return USUAL_COLUMNS;
      }
      String size =
          new String(stty.getInputStream().readAllBytes(), StandardCharsets.US_ASCII).strip();
      Matcher found = STTY.matcher(size);
      boolean isKnown = found.matches() && !found.group(1).equals("0");
      return isKnown ? Integer.parseInt(found.group(1)) : USUAL_COLUMNS;
    } catch (IOException e) {
      return USUAL_COLUMNS;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return USUAL_COLUMNS;
    }
  }

  public boolean isTerminal() {
    return kind == Kind.TERMINAL;
  }

  /** A line that stays. */
  public synchronized void line(String text) {
    erase();
    out.accept(text + System.lineSeparator());
  }

  /** Rewrites the terminal's last line; a log has none. */
  public synchronized void status(String text) {
    if (isTerminal() && !clock.instant().isBefore(logged.plus(LOG_LINE))) {
      String fitting = text.substring(0, Math.min(text.length(), columns - 1));
      out.accept(ERASE_LINE + NO_WRAP + fitting + WRAP);
      hasStatus = true;
    }
  }

  /** The status makes room for a line that somebody else is about to write. */
  synchronized void beforeLogLine() {
    logged = clock.instant();
    erase();
  }

  /** There is no status any more, until the next. */
  public synchronized void erase() {
    if (hasStatus) {
      out.accept(ERASE_LINE);
      hasStatus = false;
    }
  }

  /** Lines stay, the status goes. */
  @Override
  public synchronized void close() {
    onClose.run();
    erase();
  }

  /**
   * Tells when a line of the log is about to be written to the terminal: by a filter that lets all
   * through, on every console appender that there is. An appender asks its filters last, after all
   * levels, and writes to a stream of its own, which cannot be seen otherwise.
   */
  static final class LogLines {
    private LogLines() {}

    /** Returns what ends it. */
    static Runnable of(Runnable before) {
      return LogManager.getContext(false) instanceof LoggerContext context
          ? of(context, before)
          : () -> {};
    }

    static Runnable of(LoggerContext context, Runnable before) {
      List<ConsoleAppender> consoles =
          context.getConfiguration().getAppenders().values().stream()
              .filter(ConsoleAppender.class::isInstance)
              .map(ConsoleAppender.class::cast)
              .toList();
      Filter filter = new Before(before);
      filter.start();
      consoles.forEach(console -> console.addFilter(filter));
      return () -> consoles.forEach(console -> console.removeFilter(filter));
    }

    private static final class Before extends AbstractFilter {
      private final Runnable before;

      Before(Runnable before) {
        this.before = before;
      }

      @Override
      public Result filter(LogEvent event) {
        before.run();
        return Result.NEUTRAL;
      }
    }
  }
}
