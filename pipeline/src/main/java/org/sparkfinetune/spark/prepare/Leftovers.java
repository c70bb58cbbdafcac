package org.sparkfinetune.spark.prepare;

import java.io.FileNotFoundException;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SortedSet;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.store.Pace;
import org.sparkfinetune.store.Watch;

/** What prepares that were killed left beside an output; the next one cleans up after them. */
final class Leftovers {
  private static final Logger LOG = LoggerFactory.getLogger(Leftovers.class);
  private static final String UUID_FORM = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}";

  private final FileSystem store;
  private final Path output;
  private final Watch watch;

  Leftovers(FileSystem store, Path output, Pace pace) {
    this.store = store;
    this.output = output;
    this.watch = new Watch(store, pace);
  }

  /** Deletes what the dead left, and puts an output back that one of them had moved aside. */
  void clean() throws IOException {
    List<Aside> found = ids().stream().map(id -> new Aside(output, id)).toList();
    Map<Path, Optional<String>> deaths = watch.deaths(found.stream().map(Aside::sign).toList());
    for (Aside aside : found) {
      Optional<String> death = deaths.getOrDefault(aside.sign(), Optional.empty());
      if (death.isPresent()) {
        clean(aside, death.get());
      } else {
        LOG.warn("prepare: {} is at work on {} as well", watch.owner(aside.sign()), output);
      }
    }
  }

  private SortedSet<String> ids() throws IOException {
    Pattern form =
        Pattern.compile(
            "(?:%s|%s)%s-(%s)(?:%s)?"
                .formatted(
                    Aside.PREPARING,
                    Aside.REPLACED,
                    Pattern.quote(output.getName()),
                    UUID_FORM,
                    Pattern.quote(Aside.SIGN)));
    SortedSet<String> ids = new TreeSet<>();
    try {
      for (FileStatus status : store.listStatus(output.getParent())) {
        Matcher name = form.matcher(status.getPath().getName());
        if (name.matches()) {
          ids.add(name.group(1));
        }
      }
    } catch (FileNotFoundException e) {
      // Where there is no folder nothing was left in it.
    }
    return ids;
  }

  private void clean(Aside aside, String death) throws IOException {
    if (store.exists(aside.replaced()) && !store.exists(output)) {
      store.rename(aside.replaced(), output);
      LOG.warn("prepare: {} is back; a prepare died while it replaced it ({})", output, death);
    }
    for (Path path : new Path[] {aside.folder(), aside.replaced()}) {
      if (store.delete(path, true)) {
        LOG.warn("prepare: deleted {}, which a prepare left that died ({})", path, death);
      }
    }
    store.delete(aside.sign(), false);
  }

  /**
   * The paths beside an output that one prepare uses.
   *
   * @param id of that prepare alone
   */
  record Aside(Path output, String id) {
    private static final String PREPARING = "_preparing-";
    private static final String REPLACED = "_replaced-";
    private static final String SIGN = ".alive";

    /** The new output until it is whole. */
    Path folder() {
      return named(PREPARING, "");
    }

    /** The old output while the new one takes its place. */
    Path replaced() {
      return named(REPLACED, "");
    }

    /** There before the folder and after it. */
    Path sign() {
      return named(PREPARING, SIGN);
    }

    private Path named(String before, String after) {
      return new Path(output.getParent(), before + output.getName() + "-" + id + after);
    }
  }
}
