package org.sparkfinetune.spark.prepare;

import java.util.Locale;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** What a store promises about renames. */
enum StoreKind {
  /** A folder is renamed in one step: local disks, HDFS. */
  FILES,
  /** A rename copies object by object, so a manifest written last marks what is complete. */
  OBJECTS;

  private static final Set<String> OBJECT_SCHEMES =
      Set.of(
          "s3", "s3a", "s3n", "gs", "wasb", "wasbs", "abfs", "abfss", "oss", "cos", "cosn", "obs",
          "swift");

  static StoreKind ofScheme(@Nullable String scheme) {
    return scheme != null && OBJECT_SCHEMES.contains(scheme.toLowerCase(Locale.ROOT))
        ? OBJECTS
        : FILES;
  }
}
