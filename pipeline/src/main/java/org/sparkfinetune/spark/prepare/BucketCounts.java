package org.sparkfinetune.spark.prepare;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.TreeMap;
import org.apache.hadoop.io.Text;
import org.apache.hadoop.io.WritableUtils;
import org.sparkfinetune.errors.Bug;
import org.sparkfinetune.spark.prepare.Selection.Stratum;

/**
 * Rows of each stratum in each bucket. They stay on executors: there are up to 8 million of these
 * numbers, and from each task some. What the driver needs of them is a few numbers for each
 * stratum.
 */
final class BucketCounts {
  private final int buckets;
  private final Map<Stratum, long[]> rows = new TreeMap<>();

  BucketCounts(int buckets) {
    this.buckets = buckets;
  }

  /** Counts no further strata once there are too many: the job ends then. */
  void add(Stratum stratum, int bucket, long count) {
    long[] counts = rows.get(stratum);
    if (counts == null) {
      if (ReadCounts.tooMany(rows.keySet())) {
        return;
      }
      counts = new long[buckets];
      rows.put(stratum, counts);
    }
    counts[bucket] += count;
  }

  Map<Stratum, Long> totals() {
    Map<Stratum, Long> totals = new TreeMap<>();
    rows.forEach((stratum, counts) -> totals.put(stratum, Arrays.stream(counts).sum()));
    return totals;
  }

  /** Where the splits of each stratum end in the shuffled order. */
  Map<Stratum, Selection.Ends> ends(Map<Stratum, Selection.Share> shares) {
    Map<Stratum, Selection.Ends> ends = new HashMap<>();
    rows.forEach(
        (stratum, counts) -> {
          Selection.Share share = shares.getOrDefault(stratum, Selection.Share.NONE);
          ends.put(
              stratum,
              new Selection.Ends(
                  end(counts, share.test()), end(counts, share.test() + share.train())));
        });
    return ends;
  }

  private static Selection.End end(long[] counts, long position) {
    long left = position;
    for (int bucket = 0; bucket < counts.length; bucket++) {
      if (left <= counts[bucket]) {
        return new Selection.End(bucket, left);
      }
      left -= counts[bucket];
    }
    throw new Bug(
        "A split of %s rows ends behind the last row of its stratum.".formatted(position));
  }

  /** Without what is zero, as most counts of a task are where there are many. */
  byte[] encoded() {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (DataOutputStream out = new DataOutputStream(bytes)) {
      WritableUtils.writeVInt(out, rows.size());
      for (Map.Entry<Stratum, long[]> entry : rows.entrySet()) {
        WritableUtils.writeEnum(out, entry.getKey().origin());
        Text.writeString(out, entry.getKey().source());
        Text.writeString(out, entry.getKey().value());
        write(out, entry.getValue());
      }
    } catch (IOException e) {
      throw new Bug("Counts could not be written to memory.", e);
    }
    return bytes.toByteArray();
  }

  private static void write(DataOutputStream out, long[] counts) throws IOException {
    WritableUtils.writeVInt(out, (int) Arrays.stream(counts).filter(count -> count > 0).count());
    int written = 0;
    for (int bucket = 0; bucket < counts.length; bucket++) {
      if (counts[bucket] > 0) {
        WritableUtils.writeVInt(out, bucket - written);
        WritableUtils.writeVLong(out, counts[bucket]);
        written = bucket;
      }
    }
  }

  /** Adds what another task counted. */
  void add(byte[] encoded) {
    try (DataInputStream in = new DataInputStream(new ByteArrayInputStream(encoded))) {
      int strata = WritableUtils.readVInt(in);
      for (int i = 0; i < strata; i++) {
        InputFile.Origin origin = WritableUtils.readEnum(in, InputFile.Origin.class);
        Stratum stratum = new Stratum(origin, Text.readString(in), Text.readString(in));
        int entries = WritableUtils.readVInt(in);
        int bucket = 0;
        for (int e = 0; e < entries; e++) {
          bucket += WritableUtils.readVInt(in);
          add(stratum, bucket, WritableUtils.readVLong(in));
        }
      }
    } catch (IOException e) {
      throw new Bug("Counts could not be read from memory.", e);
    }
  }
}
