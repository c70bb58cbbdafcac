package org.sparkfinetune.progress;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import org.apache.logging.log4j.core.LoggerContext;
import org.apache.logging.log4j.core.config.DefaultConfiguration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.sparkfinetune.progress.StatusLine.LogLines;

class StatusLineTest {
  private static final Map<String, String> XTERM = Map.of("TERM", "xterm");

  private Instant now = Instant.EPOCH;

  @TempDir Path folder;

  /** The log writes to a stream of its own, which it has taken before anything here began. */
  @Test
  void a_log_line_begins_in_an_empty_line_and_the_status_comes_back_after_it() {
    ByteArrayOutputStream terminal = new ByteArrayOutputStream();
    PrintStream before = System.out;
    System.setOut(new PrintStream(terminal, true, StandardCharsets.UTF_8));
    try (LoggerContext log = new LoggerContext("of a user")) {
      log.start(new DefaultConfiguration());
      StatusLine screen =
          new StatusLine(
              StatusLine.Kind.TERMINAL,
              80,
              text -> terminal.writeBytes(text.getBytes(StandardCharsets.UTF_8)),
              () -> now);
      Runnable end = LogLines.of(log, screen::beforeLogLine);
      screen.status("step 1");
      log.getLogger("spark").error("lost an executor");
      screen.status("too soon");
      now = now.plus(Duration.ofMillis(60));
      screen.status("step 2");
      log.getLogger("spark").debug("not shown");
      end.run();
    } finally {
      System.setOut(before);
    }
    String[] shown = terminal.toString(StandardCharsets.UTF_8).split("\n", -1);
    assertThat(shown).hasSize(2);
    assertThat(shown[0])
        .startsWith("\r\033[K\033[?7lstep 1\033[?7h\r\033[K")
        .endsWith("lost an executor")
        .doesNotContain("too soon");
    assertThat(shown[1]).isEqualTo("\r\033[K\033[?7lstep 2\033[?7h");
  }

  @Test
  void a_status_is_cut_to_the_terminal_and_a_log_has_none() {
    StringBuilder shown = new StringBuilder();
    new StatusLine(StatusLine.Kind.LOG, 10, shown::append, () -> now).status("a long status");
    assertThat(shown).isEmpty();
    StatusLine narrow = new StatusLine(StatusLine.Kind.TERMINAL, 10, shown::append, () -> now);
    narrow.status("a long status");
    assertThat(shown).hasToString("\r\033[K\033[?7la long st\033[?7h");
    narrow.close();
    assertThat(shown.toString()).endsWith("\033[?7h\r\033[K");
  }

  @ParameterizedTest
  @CsvSource({
    "/dev/pts/3, true",
    "/dev/tty1, true",
    "/dev/console, true",
    "/dev/null, false",
    "pipe:[123], false",
    "/var/log/driver.log, false"
  })
  void a_descriptor_is_a_terminal_if_what_is_open_is_one(String open, boolean isTerminal)
      throws IOException {
    Path descriptor = Files.createSymbolicLink(folder.resolve("2"), Path.of(open));
    assertThat(StatusLine.terminal(descriptor, XTERM).isPresent()).isEqualTo(isTerminal);
    Files.delete(descriptor);
  }

  @Test
  void a_terminal_that_moves_no_cursor_and_a_build_server_are_logs() throws IOException {
    Path descriptor = Files.createSymbolicLink(folder.resolve("2"), Path.of("/dev/pts/0"));
    assertThat(StatusLine.terminal(descriptor, Map.of())).isEmpty();
    assertThat(StatusLine.terminal(descriptor, Map.of("TERM", "dumb"))).isEmpty();
    assertThat(StatusLine.terminal(descriptor, Map.of("TERM", "xterm", "CI", "true"))).isEmpty();
    Files.delete(descriptor);
  }
}
