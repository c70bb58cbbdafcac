package org.sparkfinetune.store;

import java.io.FileNotFoundException;
import java.io.IOException;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.hadoop.fs.FSError;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.RawLocalFileSystem;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.store.Watch.Pace;

/**
 * The sole use of something by one process, on stores that create and rename in any way they like.
 *
 * <p>Each process writes a claim, a file that only it writes, into a folder, and then looks which
 * others are there. Of two processes at least one finds the other's claim in this first look, and
 * does not hold the lease before that claim is gone. If both find the other's, the one with the
 * higher name withdraws. Claims that come later are not waited for, as those who write them find
 * this one's. A claim of the dead is deleted by whoever sees that it is one.
 *
 * <p>A process that was taken for dead may wake up and write its claim again. So a holder has a
 * generation, higher than that of every claim it found; it writes that it holds before it looks for
 * the last time, and waits until holders of lower generations, which give up when they see it, are
 * gone.
 */
public final class Lease {
  private static final Logger LOG = LoggerFactory.getLogger(Lease.class);
  private static final Pattern NEWS =
      Pattern.compile("(waits|holds), generation (\\d{1,18}), beat \\d+");

  /** Attempts to write into a folder that a process which ends may just delete. */
  private static final int ATTEMPTS = 10;

  private final FileSystem store;
  private final Path folder;
  private final Pace pace;
  private final Watch watch;
  private final Owner owner = Owner.ofThisProcess();
  private final Path own;
  private State state = State.WAITS;
  private long generation = 1;
  private long beats;

  private Lease(FileSystem store, Path folder, Pace pace) {
    this.store = store;
    this.folder = folder;
    this.pace = pace;
    this.watch = new Watch(store, pace);
    this.own = new Path(folder, UUID.randomUUID().toString());
  }

  /** Another process, which lives, holds the lease or is about to. */
  public static final class HeldException extends Exception {
    private static final long serialVersionUID = 1L;

    HeldException(String owner) {
      super(owner);
    }
  }

  private enum State {
    WAITS("waits"),
    HOLDS("holds");

    final String word;

    State(String word) {
      this.word = word;
    }
  }

  /** What another process says of itself; before it has said so, it may hold the lease. */
  private record Claim(Path file, Watch.Seen seen, boolean holds, long generation) {
    static Claim of(Path file, Watch.Seen seen) {
      Matcher news = NEWS.matcher(seen.text().lines().skip(1).findFirst().orElse(""));
      return news.matches()
          ? new Claim(
              file, seen, news.group(1).equals(State.HOLDS.word), Long.parseLong(news.group(2)))
          : new Claim(file, seen, true, 0);
    }

    boolean isAlive() {
      return seen.life() == Watch.Life.ALIVE;
    }
  }

  /**
   * Takes the lease; returns at once where there are no claims or the process table knows that
   * those who made them have ended. To be renewed from then on.
   *
   * @param folder of claims, which has no other files
   */
  public static Lease take(FileSystem store, Path folder, Pace pace)
      throws IOException, HeldException {
    Lease lease = new Lease(store, folder, pace);
    try {
      lease.take();
      return lease;
    } catch (IOException | HeldException | RuntimeException | FSError e) {
      try {
        lease.release();
      } catch (IOException | FSError left) {
        e.addSuppressed(left);
      }
      throw e;
    }
  }

  private void take() throws IOException, HeldException {
    write();
    List<Claim> others = look();
    others.forEach(other -> Watch.say(other.file(), other.seen(), pace));
    Set<Path> found = others.stream().map(Claim::file).collect(Collectors.toSet());
    while (others.stream().anyMatch(other -> other.holds() || found.contains(other.file()))) {
      refuseIfAny(
          others.stream()
              .filter(other -> other.holds() || found.contains(other.file()) && precedes(other)));
      pace.await();
      write();
      others = look();
    }
    state = State.HOLDS;
    write();
    for (List<Claim> holders = holders(); !holders.isEmpty(); holders = holders()) {
      refuseIfAny(holders.stream().filter(this::outranks));
      pace.await();
      write();
    }
  }

  private List<Claim> holders() throws IOException {
    return look().stream().filter(Claim::holds).toList();
  }

  private static void refuseIfAny(Stream<Claim> rivals) throws HeldException {
    Optional<Claim> alive = rivals.filter(Claim::isAlive).findFirst();
    if (alive.isPresent()) {
      throw new HeldException(alive.get().seen().owner());
    }
  }

  private boolean precedes(Claim other) {
    return other.file().getName().compareTo(own.getName()) < 0;
  }

  private boolean outranks(Claim other) {
    return other.generation() > generation || other.generation() == generation && precedes(other);
  }

  /** The claims of others that are not known to be dead; those that are, it deletes. */
  private List<Claim> look() throws IOException {
    List<Claim> others = new ArrayList<>();
    for (Path file : others()) {
      Optional<Watch.Seen> seen = watch.look(file);
      if (seen.isPresent()) {
        Claim claim = Claim.of(file, seen.get());
        boolean dead = seen.get().life() == Watch.Life.DEAD;
        // Whoever holds stays below those that took the lease over from it.
        if (dead || state == State.WAITS && claim.holds()) {
          generation = Math.max(generation, claim.generation() + 1);
        }
        if (dead) {
          LOG.warn("{} is free: {}.", folder, seen.get().death());
          store.delete(file, false);
        } else {
          others.add(claim);
        }
      }
    }
    return others;
  }

  private List<Path> others() throws IOException {
    List<Path> files = new ArrayList<>();
    try {
      for (FileStatus file : store.listStatus(folder)) {
        if (!file.getPath().getName().equals(own.getName())) {
          files.add(file.getPath());
        }
      }
    } catch (FileNotFoundException e) {
      // A folder without files is none on object stores.
    }
    return files;
  }

  /**
   * Says that its holder lives.
   *
   * @return false if another process has taken the lease over: it is over for this one
   */
  public boolean renew() throws IOException {
    if (!store.exists(own)) {
      return false;
    }
    write();
    for (Path file : others()) {
      Optional<Watch.Seen> seen = watch.look(file);
      if (seen.isPresent() && !seen.get().text().isEmpty()) {
        Claim other = Claim.of(file, seen.get());
        if (other.holds() && outranks(other)) {
          store.delete(own, false);
          return false;
        }
      }
    }
    return true;
  }

  private void write() throws IOException {
    String news = "%s, generation %s, beat %s".formatted(state.word, generation, ++beats);
    for (int attempt = 1; ; attempt++) {
      try {
        owner.sign(store, own, news);
        return;
      } catch (FileNotFoundException e) {
        if (attempt == ATTEMPTS) {
          throw e;
        }
      }
    }
  }

  /** Gives the lease back, if it still has it. */
  public void release() throws IOException {
    store.delete(own, false);
    try {
      deleteIfEmpty(store, folder);
    } catch (IOException e) {
      LOG.debug("{} has got a new claim", folder, e);
    }
  }

  /**
   * Deletes a folder with nothing in it, and never what comes in at this moment.
   *
   * @throws IOException on some stores, if there is something in it
   */
  public static void deleteIfEmpty(FileSystem store, Path folder) throws IOException {
    if (store instanceof RawLocalFileSystem disk) {
      // Its own delete looks first and then deletes all.
      Files.deleteIfExists(disk.pathToFile(folder).toPath());
    } else {
      store.delete(folder, false);
    }
  }
}
