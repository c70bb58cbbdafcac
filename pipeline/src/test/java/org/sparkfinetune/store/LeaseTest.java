package org.sparkfinetune.store;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.net.URI;
import java.time.Duration;
import java.util.List;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.FilterFileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.RawLocalFileSystem;
import org.apache.hadoop.fs.permission.FsPermission;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sparkfinetune.store.Watch.Pace;

class LeaseTest {
  private static final Owner ELSEWHERE = new Owner("process 1 on elsewhere, its-id");

  /** Of all names the last and the first. */
  private static final String LAST = "ffffffff-ffff-ffff-ffff-ffffffffffff";

  private static final String FIRST = "00000000-0000-0000-0000-000000000000";

  @TempDir java.nio.file.Path disk;
  private FileSystem store;
  private Path folder;

  @BeforeEach
  void open() throws IOException {
    store = FileSystem.getLocal(new Configuration()).getRaw();
    folder = new Path(disk.resolve("lock").toString());
  }

  private interface Change {
    void make() throws IOException;
  }

  /** Three looks, with something that happens between two. */
  private static Pace between(Change change) {
    return new Pace(
        Duration.ofDays(1),
        3,
        () -> {
          try {
            change.make();
          } catch (IOException e) {
            throw new AssertionError(e);
          }
        });
  }

  private void claim(String name, String news) throws IOException {
    ELSEWHERE.sign(store, new Path(folder, name), news);
  }

  @Test
  void of_many_drivers_one_holds_the_lease_in_all_takeovers() throws Exception {
    FileSystem withoutChmod =
        new RawLocalFileSystem() {
          @Override
          public void setPermission(Path path, FsPermission permission) {
            // A process each time, where Hadoop's native library is not there.
          }
        };
    withoutChmod.initialize(URI.create("file:///"), new Configuration());
    Takeovers.on(withoutChmod, folder, 30);
  }

  @Test
  void of_two_that_claim_at_once_the_lower_waits_until_the_other_has_withdrawn() throws Exception {
    claim(LAST, "waits, generation 1, beat 1");
    int[] looks = {0};
    Pace pace =
        between(
            () -> {
              if (++looks[0] < 5) {
                claim(LAST, "waits, generation 1, beat 1" + looks[0]);
              } else {
                store.delete(new Path(folder, LAST), false);
              }
            });
    Lease.take(store, folder, pace).release();
    assertThat(looks[0]).isEqualTo(5);
    assertThat(store.exists(folder)).isFalse();
  }

  @Test
  void of_two_that_claim_at_once_the_higher_withdraws_and_leaves_nothing() throws Exception {
    claim(FIRST, "waits, generation 1, beat 1");
    assertThatThrownBy(
            () ->
                Lease.take(
                    store, folder, between(() -> claim(FIRST, "waits, generation 1, beat 2"))))
        .isInstanceOf(Lease.HeldException.class)
        .hasMessage(ELSEWHERE.text());
    assertThat(names()).containsExactly(FIRST);
  }

  @Test
  void a_claim_that_was_cut_off_while_it_was_written_is_no_sign_of_life() throws Exception {
    ELSEWHERE.sign(store, new Path(folder, FIRST), "");
    store.create(new Path(folder, LAST), true).close();
    Lease lease = Lease.take(store, folder, between(() -> {}));
    assertThat(names()).hasSize(1);
    assertThat(lease.renew()).isTrue();
  }

  /** A slow store: whoever looks finds the file just truncated, time and again. */
  @Test
  void a_claim_that_is_empty_at_each_look_but_rewritten_between_them_is_alive() throws Exception {
    claim(FIRST, "holds, generation 3, beat 1");
    long[] time = {1_000};
    Pace pace =
        between(
            () -> {
              store.create(new Path(folder, FIRST), true).close();
              store.setTimes(new Path(folder, FIRST), time[0] += 1_000, -1);
            });
    assertThatThrownBy(() -> Lease.take(store, folder, pace))
        .isInstanceOf(Lease.HeldException.class)
        .hasMessage(ELSEWHERE.text());
  }

  @Test
  void a_claim_that_stays_empty_is_of_the_dead() throws Exception {
    claim(FIRST, "holds, generation 3, beat 1");
    boolean[] cut = {false};
    Pace pace =
        between(
            () -> {
              if (!cut[0]) {
                cut[0] = true;
                store.create(new Path(folder, FIRST), true).close();
              }
            });
    assertThatThrownBy(() -> Lease.take(store, folder, pace))
        .isInstanceOf(Lease.HeldException.class);
    Lease.take(store, folder, between(() -> {})).release();
  }

  /** Both believe that they hold: the one that slept wrote its claim again after it was deleted. */
  @Test
  void a_holder_that_wakes_up_gives_up_before_its_successor_starts() throws Exception {
    claim(FIRST, "holds, generation 4, beat 1");
    boolean[] gaveUp = {false};
    Pace pace =
        between(
            () -> {
              if (text(own()).contains("holds, generation 5")) {
                store.delete(new Path(folder, FIRST), false);
                gaveUp[0] = true;
              }
            });
    Lease successor = Lease.take(new Waking(store), folder, pace);
    assertThat(gaveUp[0]).isTrue();
    claim(FIRST, "holds, generation 4, beat 3");
    assertThat(successor.renew()).as("the successor keeps it").isTrue();
  }

  /** Whoever is deleted as dead writes its claim once more. */
  private final class Waking extends FilterFileSystem {
    private boolean woken;

    Waking(FileSystem store) {
      super(store);
    }

    @Override
    public boolean delete(Path path, boolean recursive) throws IOException {
      boolean deleted = super.delete(path, recursive);
      if (!woken) {
        woken = true;
        claim(FIRST, "holds, generation 4, beat 2");
      }
      return deleted;
    }
  }

  @Test
  void a_holder_ends_when_it_sees_a_later_one_even_with_its_own_claim_back() throws Exception {
    Lease asleep = Lease.take(store, folder, between(() -> {}));
    claim(LAST, "holds, generation 2, beat 1");
    assertThat(asleep.renew()).isFalse();
    assertThat(names()).containsExactly(LAST);
  }

  @Test
  void a_holder_whose_claim_is_gone_does_not_bring_it_back() throws Exception {
    Lease asleep = Lease.take(store, folder, between(() -> {}));
    store.delete(own(), false);
    assertThat(asleep.renew()).isFalse();
    assertThat(names()).isEmpty();
  }

  private Path own() throws IOException {
    return Stream.of(store.listStatus(folder))
        .map(file -> file.getPath())
        .filter(file -> !file.getName().equals(FIRST) && !file.getName().equals(LAST))
        .findFirst()
        .orElseThrow();
  }

  private String text(Path file) throws IOException {
    return Watch.read(store, file).orElseThrow();
  }

  private List<String> names() throws IOException {
    return Stream.of(store.listStatus(folder)).map(file -> file.getPath().getName()).toList();
  }
}
