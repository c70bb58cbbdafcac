package org.sparkfinetune.launch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.net.InetAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.time.Instant;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sparkfinetune.errors.UserError;

class RunLockTest {
  @TempDir Path folder;

  private RunLock acquire() {
    return RunLock.acquire(
        new org.apache.hadoop.fs.Path(folder.resolve(".lock").toString()),
        new Configuration(),
        () -> {});
  }

  @Test
  void the_second_driver_is_refused_while_the_first_lives() {
    try (RunLock first = acquire()) {
      assertThat(first).isNotNull();
      assertThatThrownBy(this::acquire)
          .isInstanceOf(UserError.class)
          .hasMessageContaining("process " + ProcessHandle.current().pid() + " on ");
    }
    acquire().close();
    assertThat(folder.resolve(".lock")).doesNotExist();
  }

  @Test
  void a_lock_of_a_process_that_is_gone_is_taken_over() throws Exception {
    Process gone = new ProcessBuilder("true").start();
    gone.waitFor();
    write("process %d on %s, x".formatted(gone.pid(), InetAddress.getLocalHost().getHostName()));
    acquire().close();
  }

  @Test
  void a_lock_of_another_host_is_taken_over_a_minute_after_its_last_sign_of_life()
      throws IOException {
    write("process 1 on elsewhere, x");
    assertThatThrownBy(this::acquire).isInstanceOf(UserError.class);
    Files.setLastModifiedTime(
        folder.resolve(".lock"), FileTime.from(Instant.now().minus(Duration.ofSeconds(61))));
    acquire().close();
  }

  private void write(String owner) throws IOException {
    Files.writeString(folder.resolve(".lock"), owner);
  }
}
