package org.sparkfinetune.spark.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BooleanSupplier;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sparkfinetune.engine.metrics.RunFolder;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.store.Store;
import org.sparkfinetune.testing.ChildJvm;
import sun.misc.Signal;

class StopSignalsTest {
  @TempDir Path folder;

  @Test
  void a_signal_is_told_again_until_somebody_could_be_told() {
    AtomicInteger told = new AtomicInteger();
    try (StopSignals signals =
        StopSignals.listen(
            name -> {
              if (told.incrementAndGet() == 1) {
                throw new RunFailure("The store is away.");
              }
            })) {
      Signal.raise(new Signal("TERM"));
      await().atMost(Duration.ofSeconds(60)).until(() -> told.get() == 2);
      assertThat(signals.received()).contains("SIGTERM");
    }
  }

  @Test
  void when_the_run_has_ended_nobody_is_told_any_more() {
    AtomicInteger told = new AtomicInteger();
    try (StopSignals unused =
        StopSignals.listen(
            name -> {
              told.incrementAndGet();
              throw new RunFailure("The store is away.");
            })) {
      Signal.raise(new Signal("TERM"));
      await().until(() -> told.get() >= 1);
    }
    assertThat(Thread.getAllStackTraces().keySet())
        .extracting(Thread::getName)
        .doesNotContain("stop-request");
  }

  @Test
  void the_second_signal_ends_the_process_while_the_first_is_still_being_told() throws Exception {
    Process process =
        new ProcessBuilder(ChildJvm.command(ChildJvm.SHORT_LIVED, StopSignalsTest.class))
            .redirectErrorStream(true)
            .redirectOutput(folder.resolve("output").toFile())
            .start();
    try {
      await().atMost(Duration.ofSeconds(60)).until(() -> output().contains("listening"));
      process.destroy();
      await().atMost(Duration.ofSeconds(60)).until(() -> output().contains("told SIGTERM"));
      process.destroy();
      assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
      assertThat(process.exitValue()).as(output()).isEqualTo(128 + 15);
    } finally {
      process.destroyForcibly();
    }
  }

  private String output() throws IOException {
    return Files.readString(folder.resolve("output"));
  }

  /** Is asked to stop by somebody who then never returns. */
  public static void main(String[] words) throws InterruptedException {
    CountDownLatch never = new CountDownLatch(1);
    try (StopSignals unused =
        StopSignals.listen(
            name -> {
              System.err.println("told " + name);
              try {
                never.await();
              } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
              }
            })) {
      System.err.println("listening");
      never.await();
    }
  }

  @Test
  void a_rank_that_cannot_look_for_the_request_goes_on_and_finds_it_later() throws IOException {
    Path marker = folder.resolve("away");
    Store store = new Store(new Configuration());
    store
        .hadoop()
        .setClass("fs.away.impl", AwayFileSystem.class, org.apache.hadoop.fs.FileSystem.class);
    store.hadoop().set(AwayFileSystem.MARKER, marker.toString());
    // Another test of this JVM may have opened one that looks at its own marker.
    store.hadoop().setBoolean("fs.away.impl.disable.cache", true);
    StopRequest request =
        new StopRequest(RunFolder.of(URI.create("away:" + folder).toString()), store);
    BooleanSupplier asked = request.polled();
    request.make("SIGTERM");
    Files.createFile(marker);
    Duration twoLooks = Duration.ofMillis(1200);
    await().during(twoLooks).atMost(Duration.ofSeconds(20)).until(() -> !asked.getAsBoolean());
    Files.delete(marker);
    await().until(asked::getAsBoolean);
    assertThat(List.of(asked.getAsBoolean(), asked.getAsBoolean())).containsOnly(true);
  }
}
