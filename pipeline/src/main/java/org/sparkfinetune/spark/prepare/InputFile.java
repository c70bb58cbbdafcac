package org.sparkfinetune.spark.prepare;

import java.io.Serializable;
import java.util.Locale;
import org.sparkfinetune.config.CsvFormat;

/**
 * One file of the input, or one table.
 *
 * @param index its place among all files, which orders rejections and settles ties
 * @param source the place of its source among the sources that are read
 * @param version the state of a table or the commit of a hub's file, in words; empty for others
 * @param uri of a table what the user wrote, see {@link TableInput}
 * @param length bytes as stored; of a table a guess
 * @param csv how the file is written if it is CSV
 */
record InputFile(
    int index,
    int source,
    String uri,
    String version,
    Origin origin,
    Format format,
    Compression compression,
    long length,
    CsvFormat csv)
    implements Serializable {

  /** Which key named the file. */
  enum Origin {
    INPUT,
    TEST_INPUT
  }

  enum Format {
    JSON,
    CSV,
    PARQUET,
    /** Whatever Spark reads for us. */
    TABLE;

    /** Whether we read it ourselves, byte by byte. */
    boolean isText() {
      return this == JSON || this == CSV;
    }
  }

  enum Compression {
    NONE(""),
    GZIP(".gz"),
    ZSTD(".zst");

    private final String suffix;

    Compression(String suffix) {
      this.suffix = suffix;
    }

    static Compression of(String name) {
      String lower = name.toLowerCase(Locale.ROOT);
      return lower.endsWith(GZIP.suffix) ? GZIP : lower.endsWith(ZSTD.suffix) ? ZSTD : NONE;
    }

    String strippedName(String name) {
      return name.substring(0, name.length() - suffix.length());
    }
  }

  /** Whether a reader may begin in the middle. CSV may not: a quoted field can hold line ends. */
  boolean splittable() {
    return format == Format.JSON && compression == Compression.NONE;
  }
}
