package org.sparkfinetune.spark.train;

import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.TreeMap;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.config.TrainConfig;
import org.sparkfinetune.data.tokenize.LlamaTokenizer;
import org.sparkfinetune.data.tokenize.PackedRowsFile;
import org.sparkfinetune.data.tokenize.TokenizerFiles;
import org.sparkfinetune.engine.metrics.MaskedSample;
import org.sparkfinetune.engine.metrics.Provenance;
import org.sparkfinetune.engine.metrics.RunFolder;
import org.sparkfinetune.engine.metrics.Summary;
import org.sparkfinetune.engine.metrics.Summary.ExchangeSummary;
import org.sparkfinetune.engine.metrics.Summary.Phase;
import org.sparkfinetune.engine.metrics.Summary.RankSummary;
import org.sparkfinetune.engine.train.RankReport;
import org.sparkfinetune.report.RunReport;
import org.sparkfinetune.spark.model.ModelFolders;
import org.sparkfinetune.spark.tokenize.SampleMasks;
import org.sparkfinetune.spark.tokenize.TokenizedDataset;
import org.sparkfinetune.store.Store;

/**
 * What the driver writes of a run beside the ranks' own files, when it begins and when it ends.
 *
 * @param yaml the configuration as it is written down
 * @param config the same, with the model where it is read
 */
record RunRecords(String yaml, TrainConfig config, RunFolder folder, Store store) {
  private static final Logger LOG = LoggerFactory.getLogger(RunRecords.class);

  /** Conversations that the report shows. */
  private static final int SAMPLES = 3;

  /** The configuration, where all of it comes from, and a look at its rows. */
  void begun(
      TokenizedDataset tokenized,
      RunRows.Choice choice,
      String modelHash,
      TokenizerFiles tokenizer,
      String sparkVersion) {
    store.replace(folder.config(), yaml);
    Map<String, String> versions = new TreeMap<>(Provenance.versionsHere());
    versions.put("spark", sparkVersion);
    new Provenance(
            versions,
            config.seed(),
            new Provenance.Source(
                config.data().datasetPath(), Optional.empty(), "sha256:" + tokenized.hash()),
            new Provenance.Dataset(choice.pinned().dataset(), choice.replacedBy()),
            new Provenance.Source(
                config.model().modelId(), ModelFolders.commit(config.model()), modelHash),
            tokenized.path().toString(),
            Instant.now())
        .write(folder, store);
    MaskedSample.write(samples(tokenized, tokenizer), folder, store);
  }

  /** What the report shows of the rows. */
  private List<MaskedSample> samples(TokenizedDataset tokenized, TokenizerFiles files) {
    try (LlamaTokenizer tokenizer = LlamaTokenizer.of(files)) {
      return PackedRowsFile.first(tokenized.path(), "train", store)
          .map(row -> SampleMasks.of(row, SAMPLES, tokenizer))
          .orElse(List.of());
    }
  }

  /** The summary and the report. */
  void ended(List<RankReport> reports, int attempts, double tokenizeSeconds) {
    RankReport.Totals totals = reports.get(0).totals().get(0);
    Map<Phase, Double> seconds = new TreeMap<>(reports.get(0).seconds());
    seconds.put(Phase.TOKENIZE, tokenizeSeconds);
    List<RankSummary> uses = reports.stream().map(RankReport::use).toList();
    OptionalDouble evalLoss =
        Double.isNaN(totals.evalLoss())
            ? OptionalDouble.empty()
            : OptionalDouble.of(totals.evalLoss());
    Summary summary =
        new Summary(
            totals.steps(),
            totals.trainRuntime(),
            totals.tokensPerSecond(),
            totals.trainLoss(),
            evalLoss,
            totals.best().stream().findFirst(),
            attempts,
            uses,
            seconds);
    summary.write(folder, store);
    if (summary.bottleneck() == ExchangeSummary.Bottleneck.EXCHANGE) {
      LOG.warn(
          "Rank 0 waited for other ranks during {} % of its steps' time: the exchange between ranks"
              + " is the bottleneck. More micro-batches a step (gradient_accumulation_steps) move"
              + " the same bytes for more tokens.",
          Math.round(100 * summary.waitedShare()));
    }
    RunReport.write(folder, store);
    LOG.info("Done: {}", folder.root());
  }
}
