package org.sparkfinetune.spark.prepare;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.jspecify.annotations.Nullable;
import org.sparkfinetune.config.OutputFormat;
import org.sparkfinetune.data.conversation.TokenCounter;

/** One bucket's part of one split, in each format asked for. Files come with their first row. */
final class SplitWriter {
  private final PartFiles files;
  private final SplitName split;
  private final int bucket;
  private final String attempt;
  private final Set<OutputFormat> formats;
  private final JsonLine jsonLine;
  private final SplitStatistics statistics = new SplitStatistics();
  private final @Nullable TokenCounter counter;
  private @Nullable ConversationParquet parquet;
  private @Nullable FSDataOutputStream json;

  SplitWriter(PartFiles files, SplitName split, int bucket, String attempt, WriteTask.Plan plan) {
    this.files = files;
    this.split = split;
    this.bucket = bucket;
    this.attempt = attempt;
    this.formats = plan.formats();
    this.jsonLine = new JsonLine(plan.escaping());
    this.counter = plan.counter() == null ? null : plan.counter().value();
  }

  void write(String id, Sample sample) throws IOException {
    if (formats.contains(OutputFormat.PARQUET)) {
      if (parquet == null) {
        parquet = new ConversationParquet(files.create(parquetName(split, bucket), attempt));
      }
      parquet.write(id, sample);
    }
    if (formats.contains(OutputFormat.JSON)) {
      if (json == null) {
        json = files.create(jsonName(split, bucket), attempt);
      }
      statistics.addJsonBytes(jsonLine.write(sample, json));
    }
    statistics.add(id, sample);
    if (counter != null) {
      statistics.tokens().add(sample.conversation(), counter);
    }
  }

  static String parquetName(SplitName split, int bucket) {
    return String.format(Locale.ROOT, "%s/part-%05d.parquet", split.folder(), bucket);
  }

  static String jsonName(SplitName split, int bucket) {
    return String.format(Locale.ROOT, "%s/%s-%05d.json", WriteTask.PARTS, split.folder(), bucket);
  }

  SplitStatistics finish() throws IOException {
    if (counter != null) {
      statistics.tokens().flush(counter);
    }
    List<String> finished = new ArrayList<>();
    if (parquet != null) {
      parquet.close();
      finished.add(parquetName(split, bucket));
    }
    if (json != null) {
      json.close();
      finished.add(jsonName(split, bucket));
    }
    for (String name : finished) {
      files.finish(name, attempt);
    }
    return statistics;
  }
}
