package org.sparkfinetune.testing;

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.apache.logging.log4j.Level;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.core.LogEvent;
import org.apache.logging.log4j.core.Logger;
import org.apache.logging.log4j.core.appender.AbstractAppender;
import org.apache.logging.log4j.core.config.Property;

/** The warnings that a class logs from now on, until this is closed. */
public final class LoggedWarnings implements AutoCloseable {
  private final List<String> lines = new CopyOnWriteArrayList<>();
  private final Logger logger;
  private final Collector collector = new Collector();

  public LoggedWarnings(Class<?> of) {
    logger = (Logger) LogManager.getLogger(of);
    collector.start();
    logger.addAppender(collector);
  }

  public List<String> lines() {
    return lines;
  }

  @Override
  public void close() {
    logger.removeAppender(collector);
  }

  private final class Collector extends AbstractAppender {
    Collector() {
      super("collector", null, null, true, Property.EMPTY_ARRAY);
    }

    @Override
    public void append(LogEvent event) {
      if (event.getLevel() == Level.WARN) {
        lines.add(event.getMessage().getFormattedMessage());
      }
    }
  }
}
