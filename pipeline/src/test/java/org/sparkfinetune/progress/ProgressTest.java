package org.sparkfinetune.progress;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.time.Instant;
import org.junit.jupiter.api.Test;

class ProgressTest {
  private Instant now = Instant.EPOCH;
  private final StringBuilder shown = new StringBuilder();

  @Test
  void in_a_log_a_line_comes_after_ten_seconds_and_then_every_thirty() {
    Progress progress = progress(StatusLine.Kind.LOG, "evaluate", 500, Progress.Unit.ROWS);
    for (int second = 0; second < 100; second++) {
      now = now.plusSeconds(1);
      progress.add(2);
      progress.show();
    }
    assertThat(shown.toString().lines())
        .containsExactly(
            "INFO evaluate  20 of 500 rows  2.00 rows/s  4m 00s left",
            "INFO evaluate  80 of 500 rows  2.00 rows/s  3m 30s left",
            "INFO evaluate  140 of 500 rows  2.00 rows/s  3m 00s left",
            "INFO evaluate  200 of 500 rows  2.00 rows/s  2m 30s left");
  }

  @Test
  void on_a_terminal_one_line_is_rewritten() {
    Progress progress = progress(StatusLine.Kind.TERMINAL, "merge", 16L << 30, Progress.Unit.BYTES);
    progress.show();
    progress.add(2L << 30);
    now = now.plusSeconds(20);
    progress.add(2L << 30);
    progress.show();
    assertThat(shown)
        .hasToString(
            "\r\033[K\033[?7lmerge     [------------------------]  0 B of 16 GiB\033[?7h"
                + "\r\033[K\033[?7lmerge     [######------------------]  4.0 GiB of 16 GiB"
                + "  102 MiB/s  2m 00s left\033[?7h");
  }

  @Test
  void what_was_waited_for_the_first_part_is_not_expected_of_the_rest() {
    Progress progress = progress(StatusLine.Kind.LOG, "generate", 100, Progress.Unit.ROWS);
    now = now.plusSeconds(300);
    progress.reach(10);
    now = now.plusSeconds(10);
    progress.reach(20);
    progress.show();
    assertThat(shown).hasToString("INFO generate  20 of 100 rows  1.00 rows/s  1m 20s left\n");
  }

  @Test
  void work_that_did_not_take_long_leaves_nothing_behind() {
    Progress progress = progress(StatusLine.Kind.LOG, "load", 32, Progress.Unit.LAYERS);
    now = now.plusSeconds(9);
    progress.add(32);
    progress.show();
    progress.close();
    progress.close();
    assertThat(shown).isEmpty();
  }

  @Test
  void work_that_took_long_says_what_it_took() {
    Progress progress = progress(StatusLine.Kind.TERMINAL, "load", 32, Progress.Unit.LAYERS);
    now = now.plusSeconds(95);
    progress.add(32);
    progress.show();
    progress.close();
    progress.show();
    assertThat(shown.toString())
        .endsWith("\r\033[KINFO load      32 of 32 layers in 1m 35s" + System.lineSeparator());
  }

  @Test
  void more_than_all_and_less_than_before_are_not_shown() {
    Progress progress = progress(StatusLine.Kind.LOG, "make-model", 8, Progress.Unit.SHARE);
    progress.reach(4);
    progress.reach(3);
    now = now.plus(Duration.ofSeconds(10));
    progress.show();
    now = now.plus(Duration.ofSeconds(30));
    progress.reach(9);
    progress.show();
    assertThat(shown.toString().lines())
        .containsExactly("INFO make-model 50 %  10s left", "INFO make-model 100 %  0s left");
  }

  private Progress progress(StatusLine.Kind kind, String what, long total, Progress.Unit unit) {
    return new Progress(
        new StatusLine(kind, 120, shown::append, () -> now), () -> now, what, total, unit);
  }
}
