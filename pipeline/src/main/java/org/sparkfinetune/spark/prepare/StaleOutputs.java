package org.sparkfinetune.spark.prepare;

import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicLong;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.store.Heartbeat;
import org.sparkfinetune.store.Owner;
import org.sparkfinetune.store.Store;
import org.sparkfinetune.store.Watch;

/** What prepares that were killed left beside an output; the next one cleans up after them. */
final class StaleOutputs {
  private static final Logger LOG = LoggerFactory.getLogger(StaleOutputs.class);
  private static final String UUID_FORM = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}";

  private final Store store;
  private final Path output;
  private final Watch watch;

  StaleOutputs(Store store, Path output, Watch.Pace pace) throws IOException {
    this.store = store;
    this.output = output;
    this.watch = new Watch(store.fileSystem(output), pace);
  }

  /** Deletes what the dead left, and puts an output back that one of them had moved aside. */
  void clean() throws IOException {
    List<Staging> found = ids().map(id -> new Staging(output, id)).toList();
    Map<Path, Optional<String>> deaths =
        watch.deaths(found.stream().map(Staging::liveness).toList());
    for (Staging staging : found) {
      Optional<String> death = deaths.getOrDefault(staging.liveness(), Optional.empty());
      if (death.isPresent()) {
        clean(staging, death.get());
      } else {
        LOG.warn("prepare: {} is at work on {} as well", watch.owner(staging.liveness()), output);
      }
    }
  }

  private Stream<String> ids() {
    Pattern form =
        Pattern.compile(
            "(?:%s|%s)%s-(%s)(?:%s)?"
                .formatted(
                    Staging.PREPARING,
                    Staging.REPLACED,
                    Pattern.quote(output.getName()),
                    UUID_FORM,
                    Pattern.quote(Staging.LIVENESS)));
    Path parent = output.getParent();
    return Stream.concat(store.folders(parent).stream(), store.list(parent).stream())
        .map(path -> form.matcher(path.getName()))
        .filter(Matcher::matches)
        .map(name -> name.group(1))
        .distinct()
        .sorted();
  }

  private void clean(Staging staging, String death) {
    if (store.exists(staging.replaced()) && !store.exists(output)) {
      store.rename(staging.replaced(), output);
      LOG.warn("prepare: {} is back; a prepare died while it replaced it ({})", output, death);
    }
    for (Path path : List.of(staging.folder(), staging.replaced())) {
      if (store.exists(path)) {
        store.delete(path);
        LOG.warn("prepare: deleted {}, which a prepare left that died ({})", path, death);
      }
    }
    store.delete(staging.liveness());
  }

  /**
   * The paths beside an output that one prepare uses.
   *
   * @param id of that prepare alone
   */
  record Staging(Path output, String id) {
    private static final String PREPARING = "_preparing-";
    private static final String REPLACED = "_replaced-";
    private static final String LIVENESS = ".alive";

    /** The new output until it is whole. */
    Path folder() {
      return named(PREPARING, "");
    }

    /** The old output while the new one takes its place. */
    Path replaced() {
      return named(REPLACED, "");
    }

    /** There before the folder and after it. */
    Path liveness() {
      return named(PREPARING, LIVENESS);
    }

    private Path named(String before, String after) {
      return new Path(output.getParent(), before + output.getName() + "-" + id + after);
    }
  }

  /**
   * A file that its writer renews while it lives: what a dead one left is told from what a living
   * one is making by it, on any store and from any host.
   */
  static final class LivenessFile implements AutoCloseable {
    private final FileSystem store;
    private final Path file;
    private final Heartbeat heartbeat;

    private LivenessFile(FileSystem store, Path file, Heartbeat heartbeat) {
      this.store = store;
      this.file = file;
      this.heartbeat = heartbeat;
    }

    /** Writes the file and renews it until closed. */
    static LivenessFile begin(FileSystem store, Path file, Duration beat) throws IOException {
      Owner owner = Owner.ofThisProcess();
      AtomicLong beats = new AtomicLong();
      Heartbeat.Beat renew = () -> owner.sign(store, file, "beat " + beats.incrementAndGet());
      renew.run();
      return new LivenessFile(
          store, file, Heartbeat.start("the sign of life " + file, beat, renew));
    }

    /** To be called last: from then on nothing says that somebody is at work. */
    @Override
    public void close() throws IOException {
      heartbeat.close();
      store.delete(file, false);
    }
  }
}
