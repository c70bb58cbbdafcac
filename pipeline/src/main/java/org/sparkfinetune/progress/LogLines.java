package org.sparkfinetune.progress;

import java.util.List;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.core.Filter;
import org.apache.logging.log4j.core.LogEvent;
import org.apache.logging.log4j.core.LoggerContext;
import org.apache.logging.log4j.core.appender.ConsoleAppender;
import org.apache.logging.log4j.core.filter.AbstractFilter;

/**
 * Tells when a line of the log is about to be written to the terminal: by a filter that lets all
 * through, on every console appender that there is. An appender asks its filters last, after all
 * levels, and writes to a stream of its own, which cannot be seen otherwise.
 */
final class LogLines {
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
