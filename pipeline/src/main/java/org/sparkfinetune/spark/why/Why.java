package org.sparkfinetune.spark.why;

import static org.apache.spark.sql.functions.col;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.regex.Pattern;
import org.apache.hadoop.fs.Path;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.sparkfinetune.engine.metrics.MetricsLine;
import org.sparkfinetune.engine.metrics.MetricsLog;
import org.sparkfinetune.engine.metrics.Provenance;
import org.sparkfinetune.engine.metrics.RunFolder;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.spark.dataset.DatasetSplit;
import org.sparkfinetune.spark.dataset.RowOrigin;
import org.sparkfinetune.spark.tokenize.LeftOut;
import org.sparkfinetune.spark.why.WhyAnswer.Found;
import org.sparkfinetune.spark.why.WhyAnswer.Run;
import org.sparkfinetune.spark.why.WhyAnswer.Use;
import org.sparkfinetune.store.Store;

/** Looks a conversation up in a data set and in runs. */
public final class Why {
  private static final Pattern ID = Pattern.compile("[0-9a-f]{20}(-\\d+)?");
  private static final String REPORT = "report.json";

  /** Levels of folders in which runs are looked for. */
  private static final int DEPTH = 3;

  private final SparkSession spark;
  private final Store store;
  private final Path dataset;

  /**
   * @param dataset the folder that {@code prepare} wrote
   */
  public Why(SparkSession spark, String dataset) {
    this.spark = spark;
    this.store = new Store(spark.sparkContext().hadoopConfiguration());
    this.dataset = store.qualified(new Path(dataset));
  }

  /**
   * @param id of a conversation; without the number of a copy all copies are meant
   * @param runs a run folder, or a folder of runs, if those are asked for
   * @throws UserError if the data set does not have it
   */
  public WhyAnswer ask(String id, Optional<String> runs) {
    if (!ID.matcher(id).matches()) {
      throw new UserError(
          "'%s' is no id of a conversation. An id has 20 hexadecimal digits, and -2, -3… behind them for copies; the column id of the data set has them."
              .formatted(id));
    }
    JsonNode report = report();
    List<Found> found = origins(id).stream().map(origin -> found(origin, report)).toList();
    if (found.isEmpty()) {
      throw new UserError(
          "No conversation of '%s' has the id %s. It may have been rejected, dropped as a repeat, not selected or excluded: report.html there counts them."
              .formatted(dataset, id));
    }
    String hash = report.path("dataset_hash").asText();
    return new WhyAnswer(
        dataset.toString(),
        hash,
        found,
        runs.map(folder -> runs(new Path(folder), hash, found)).orElse(List.of()));
  }

  private JsonNode report() {
    if (!store.exists(dataset)) {
      throw new UserError(
          "dataset_path: there is no folder '%s'. Name the folder that prepare wrote."
              .formatted(dataset));
    }
    byte[] json =
        store
            .read(new Path(dataset, REPORT))
            .orElseThrow(
                () ->
                    new UserError(
                        "dataset_path: there is no %s in '%s'. Name the folder that prepare wrote."
                            .formatted(REPORT, dataset)));
    try {
      return new ObjectMapper().readTree(json);
    } catch (IOException e) {
      throw new UserError(
          "dataset_path: %s of '%s' is damaged. Prepare the data set again."
              .formatted(REPORT, dataset),
          e);
    }
  }

  private List<RowOrigin> origins(String id) {
    Path folder = new Path(dataset, RowOrigin.FOLDER);
    if (store.list(folder).isEmpty()) {
      throw new UserError(
          "dataset_path: '%s' has no folder %s, so nobody knows where its rows are from. Prepare it again."
              .formatted(dataset, RowOrigin.FOLDER));
    }
    String copies = id.contains("-") ? id : id + "-";
    return DatasetSplit.literally(spark)
        .parquet(folder.toString())
        .where(col(RowOrigin.ID).equalTo(id).or(col(RowOrigin.ID).startsWith(copies)))
        .select(RowOrigin.ID, RowOrigin.SPLIT, RowOrigin.SOURCE, RowOrigin.FILE, RowOrigin.ROW)
        .collectAsList()
        .stream()
        .map(Why::origin)
        .filter(origin -> !id.contains("-") || origin.id().equals(id))
        .sorted(Comparator.comparing(RowOrigin::id))
        .toList();
  }

  private static RowOrigin origin(Row row) {
    return new RowOrigin(
        row.getString(0),
        row.getString(1),
        row.isNullAt(2) ? "" : row.getString(2),
        row.getString(3),
        row.getLong(4));
  }

  private Found found(RowOrigin origin, JsonNode report) {
    String version = "";
    for (JsonNode file : report.path("files")) {
      if (file.path("file").asText().equals(origin.file())) {
        version = file.path("version").asText();
      }
    }
    return new Found(origin, version, messages(origin));
  }

  /** As JSON; empty where the data set has no Parquet. */
  private String messages(RowOrigin origin) {
    Path split = new Path(dataset, origin.split());
    if (store.list(split).stream().noneMatch(path -> path.getName().endsWith(".parquet"))) {
      return "";
    }
    return DatasetSplit.literally(spark)
        .parquet(split.toString())
        .where(col("id").equalTo(origin.id()))
        .selectExpr("to_json(messages)")
        .collectAsList()
        .stream()
        .map(row -> row.getString(0))
        .findFirst()
        .orElse("");
  }

  private List<Run> runs(Path folder, String hash, List<Found> found) {
    if (!store.exists(folder)) {
      throw new UserError(
          "runs: there is no folder '%s'. Name a run's folder, or one that holds runs."
              .formatted(folder));
    }
    List<RunFolder> folders = new ArrayList<>();
    collect(store.qualified(folder), DEPTH, folders);
    if (folders.isEmpty()) {
      throw new UserError(
          "runs: there is no run in '%s' (a folder with provenance.json). Name a run's folder, or one that holds runs."
              .formatted(folder));
    }
    return folders.stream().map(run -> run(run, hash, found)).toList();
  }

  private void collect(Path folder, int depth, List<RunFolder> found) {
    RunFolder run = new RunFolder(folder);
    if (store.exists(run.provenance())) {
      found.add(run);
    } else if (depth > 0) {
      store.folders(folder).stream().sorted().forEach(inside -> collect(inside, depth - 1, found));
    }
  }

  private Run run(RunFolder folder, String hash, List<Found> found) {
    Provenance provenance = Provenance.read(folder, store).orElseThrow();
    double epochs =
        MetricsLog.read(folder, store).stream()
            .filter(MetricsLine.Train.class::isInstance)
            .mapToDouble(MetricsLine::epoch)
            .max()
            .orElse(0);
    Use use =
        provenance.dataset().hash().equals("sha256:" + hash)
            ? use(new Path(provenance.tokenizedPath()), epochs, found)
            : Use.OTHER_DATA;
    return new Run(folder.root().toString(), use, epochs, provenance.data().path());
  }

  private Use use(Path packed, double epochs, List<Found> found) {
    String name = found.get(0).origin().id().substring(0, 20);
    List<String> splits = found.stream().map(one -> one.origin().split()).toList();
    if (splits.contains("train")) {
      if (LeftOut.read(packed, "train", store).contains(name)) {
        return Use.LEFT_OUT;
      }
      return epochs == 0 ? Use.NOT_YET : epochs < 1 ? Use.PERHAPS : Use.TRAINED;
    }
    return LeftOut.read(packed, DatasetSplit.TEST, store).contains(name)
        ? Use.LEFT_OUT
        : Use.EVALUATED;
  }
}
