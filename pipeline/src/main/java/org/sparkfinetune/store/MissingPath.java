package org.sparkfinetune.store;

import java.io.IOException;
import java.util.Arrays;
import java.util.Comparator;
import java.util.Optional;
import org.apache.commons.text.similarity.LevenshteinDistance;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;

/** What a path may have meant that leads to nothing. */
public final class MissingPath {
  /** Letters that a slip of the keyboard changes at most. */
  private static final int SLIP = 3;

  private static final LevenshteinDistance DISTANCE = LevenshteinDistance.getDefaultInstance();

  private MissingPath() {}

  /** Who has a cluster's file system by default may have meant his own disk. */
  public static String otherDisk(Path missing, Configuration hadoop) {
    String usual = hadoop.get("fs.defaultFS", "file:///");
    return missing.toUri().getScheme() != null || usual.startsWith("file:")
        ? ""
        : " It was looked for on %s; write file:/… for this machine's disk.".formatted(usual);
  }

  /** What lies in the same folder under the name most like this one, if one is like it. */
  private static Optional<Path> similar(Path missing, FileSystem store) {
    Path folder = Optional.ofNullable(missing.getParent()).orElse(new Path("."));
    try {
      return Arrays.stream(store.listStatus(folder))
          .map(status -> status.getPath().getName())
          .filter(name -> DISTANCE.apply(name, missing.getName()) <= SLIP)
          .min(Comparator.comparingInt(name -> DISTANCE.apply(name, missing.getName())))
          .map(name -> missing.getParent() == null ? new Path(name) : new Path(folder, name));
    } catch (IOException e) {
      return Optional.empty();
    }
  }

  /** How the sentence ends that says so: {@code ; did you mean PATH?}, or with a full stop. */
  public static String didYouMean(Path missing, FileSystem store) {
    return similar(missing, store).map(name -> "; did you mean %s?".formatted(name)).orElse(".");
  }
}
