package org.sparkfinetune.store;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.time.Instant;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.FSError;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.store.Watch.Pace;
import org.sparkfinetune.testing.WatchedDisk;

class RunLockTest {
  /** Beats come much more often than the looks that are too many. */
  private static final Pace QUICK =
      new Pace(Duration.ofMillis(1), 500, () -> TimeUnit.MILLISECONDS.sleep(1));

  private static final String ELSEWHERE = "process 1 on elsewhere, its-id";
  private static final String NEWS = "\nholds, generation 3, beat 7\n";

  @TempDir Path folder;

  private RunLock acquire() {
    return acquire(QUICK, () -> {});
  }

  private RunLock acquire(Pace pace, Runnable lost) {
    return RunLock.acquire(
        new org.apache.hadoop.fs.Path(folder.resolve("run/.lock").toString()),
        new Store(new Configuration()),
        pace,
        lost);
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
    assertThat(folder.resolve("run")).doesNotExist();
  }

  @Test
  void a_lock_of_a_process_that_is_gone_is_taken_over_at_once() throws Exception {
    Process gone = new ProcessBuilder("cat").start();
    write(Owner.of(gone.pid()).text());
    gone.destroyForcibly().waitFor();
    acquire(unhurried(), () -> {}).close();
  }

  @Test
  void a_lock_whose_pid_now_belongs_to_another_process_is_taken_over_at_once() throws Exception {
    write(Owner.ofThisProcess().text().replaceFirst("started at \\d+", "started at 1"));
    acquire(unhurried(), () -> {}).close();
  }

  private static Pace unhurried() {
    return new Pace(
        Duration.ofMinutes(1),
        60,
        () -> {
          throw new AssertionError("it waits");
        });
  }

  /** The same pid on the same host name, as in containers that share a host's network. */
  @Test
  void a_lock_of_another_pid_namespace_is_not_judged_by_this_ones_processes() throws Exception {
    String own = Owner.ofThisProcess().text();
    String other =
        own.replaceFirst("pid:\\[\\d+\\]", "pid:[1]")
            .replaceFirst("process \\d+", "process 999999999");
    write(other);
    Path claim = claim();
    Pace.Pause itBeats = () -> rewrite(claim, other + NEWS.replace('7', '8'));
    assertThatThrownBy(() -> acquire(new Pace(Duration.ofMinutes(1), 3, itBeats), () -> {}))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("process 999999999 on ");
  }

  @ParameterizedTest
  @ValueSource(longs = {-1_000_000, 0, 1_000_000})
  void a_lock_of_another_host_is_taken_over_a_minute_after_its_last_sign_of_life(long clockAhead)
      throws IOException {
    write(ELSEWHERE);
    int[] looks = {0};
    Pace pace = new Pace(Duration.ofMinutes(1), 60, () -> looks[0]++);
    Files.setLastModifiedTime(claim(), FileTime.from(Instant.now().plusSeconds(clockAhead)));
    acquire(pace, () -> {}).close();
    assertThat(looks[0]).isEqualTo(60);
  }

  @ParameterizedTest
  @ValueSource(longs = {-1_000_000, 0, 1_000_000})
  void clocks_that_are_apart_take_no_lock_from_the_living(long clockAhead) throws IOException {
    write(ELSEWHERE);
    Path claim = claim();
    Pace.Pause itBeats =
        () -> {
          rewrite(claim, ELSEWHERE + NEWS.replace('7', '8'));
          touch(claim, clockAhead);
        };
    assertThatThrownBy(() -> acquire(new Pace(Duration.ofMinutes(1), 3, itBeats), () -> {}))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("process 1 on elsewhere");
    assertThat(claim).exists();
  }

  /** A claim is empty for a moment while it is rewritten. */
  @Test
  void the_driver_that_holds_the_lock_is_named_though_each_look_so_far_met_an_empty_claim()
      throws IOException {
    write(ELSEWHERE);
    Path claim = claim();
    rewrite(claim, "");
    int[] looks = {0};
    Pace.Pause itBeats =
        () -> {
          looks[0]++;
          rewrite(claim, looks[0] < 3 ? "" : ELSEWHERE + NEWS);
          touch(claim, looks[0]);
        };
    assertThatThrownBy(() -> acquire(new Pace(Duration.ofMinutes(1), 60, itBeats), () -> {}))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("process 1 on elsewhere");
  }

  @Test
  void a_file_in_the_place_of_the_claims_is_the_users_to_delete() throws IOException {
    Files.createDirectories(folder.resolve("run"));
    Files.writeString(folder.resolve("run/.lock"), ELSEWHERE);
    assertThatThrownBy(this::acquire)
        .isInstanceOf(UserError.class)
        .hasMessageContaining("run/.lock is a file")
        .hasMessageContaining("delete it");
  }

  @Test
  void a_driver_that_slept_while_its_lock_was_taken_over_finds_out() throws IOException {
    AtomicBoolean lost = new AtomicBoolean();
    try (RunLock asleep = acquire(QUICK, () -> lost.set(true))) {
      assertThat(asleep).isNotNull();
      Files.delete(claim());
      write(ELSEWHERE);
      await().untilTrue(lost);
    }
    assertThat(claim()).hasContent((ELSEWHERE + NEWS).trim());
  }

  @Test
  void renewing_goes_on_after_any_failure_of_the_store() throws IOException {
    Store store = new Store(new Configuration());
    store.hadoop().set("fs.failing.impl", FailingFileSystem.class.getName());
    Path lock = folder.resolve("run/.lock");
    AtomicBoolean lost = new AtomicBoolean();
    try (RunLock held =
        RunLock.acquire(
            new org.apache.hadoop.fs.Path("failing:" + lock), store, QUICK, () -> lost.set(true))) {
      assertThat(held).isNotNull();
      Path claim = claim();
      for (FailingFileSystem.Failure failure : FailingFileSystem.Failure.values()) {
        FailingFileSystem.failure = failure;
        await().until(() -> FailingFileSystem.failure == FailingFileSystem.Failure.NONE);
        String before = Files.readString(claim);
        await().until(() -> !Files.readString(claim).equals(before));
      }
      assertThat(lost).isFalse();
    }
  }

  /** The local disk, which fails once when it is told to. */
  public static final class FailingFileSystem extends WatchedDisk {
    enum Failure {
      NONE,
      IO,
      UNCHECKED,
      HADOOP
    }

    static volatile Failure failure = Failure.NONE;

    @Override
    protected FSDataOutputStream create(org.apache.hadoop.fs.Path path, Usual usual)
        throws IOException {
      Failure now = failure;
      failure = Failure.NONE;
      switch (now) {
        case IO -> throw new IOException("test");
        case UNCHECKED -> throw new IllegalStateException("test");
        case HADOOP -> throw fsError();
        case NONE -> {}
      }
      return usual.create();
    }
  }

  /** What Hadoop's local file system throws when a write fails; only Hadoop may make one. */
  private static FSError fsError() {
    try {
      var constructor = FSError.class.getDeclaredConstructor(Throwable.class);
      constructor.setAccessible(true);
      return constructor.newInstance(new IOException("test"));
    } catch (ReflectiveOperationException e) {
      throw new AssertionError(e);
    }
  }

  private void write(String owner) throws IOException {
    Files.createDirectories(folder.resolve("run/.lock"));
    Files.writeString(
        folder.resolve("run/.lock/00000000-0000-0000-0000-000000000000"), owner + NEWS);
  }

  private static void rewrite(Path claim, String text) {
    try {
      Files.writeString(claim, text);
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  private static void touch(Path claim, long seconds) {
    try {
      Files.setLastModifiedTime(claim, FileTime.from(Instant.now().plusSeconds(seconds)));
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  private Path claim() throws IOException {
    try (Stream<Path> claims = Files.list(folder.resolve("run/.lock"))) {
      return claims.findFirst().orElseThrow();
    }
  }
}
