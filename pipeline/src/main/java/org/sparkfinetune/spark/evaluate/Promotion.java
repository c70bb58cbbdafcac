package org.sparkfinetune.spark.evaluate;

import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import org.apache.hadoop.fs.Path;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.config.ModelChoice;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.inference.evaluate.ModelResult;
import org.sparkfinetune.inference.evaluate.ModelResult.Mean;
import org.sparkfinetune.store.PromotedFolder;
import org.sparkfinetune.store.Store;

/**
 * Keeps the best adapter so far in a folder, with the {@code config.yaml} of its run, by which it
 * is applied as it was trained, and the {@code evaluation.json} that brought it there. The one that
 * is there is measured again on the samples of today, because losses on different samples say
 * nothing of each other.
 */
final class Promotion {
  private static final Logger LOG = LoggerFactory.getLogger(Promotion.class);

  private final PromotedFolder folder;

  Promotion(String folder, Store store) {
    this.folder = new PromotedFolder(new Path(folder), store);
  }

  /** The model with the adapter that is in the folder now, if there is one. */
  Optional<ModelChoice> incumbent(ModelChoice candidate) {
    folder.repair();
    return folder
        .adapter()
        .map(
            adapter ->
                candidate.at(
                    candidate.modelId(), Optional.of(adapter.toString()), candidate.tokenizer()));
  }

  /**
   * Puts the candidate into the folder if its loss is a number and below those of all others. What
   * is not a number there is no bar.
   *
   * @param others name to result: the incumbent, or without one the base model
   * @return in words what was done
   * @throws UserError if losses were not measured
   */
  String decide(
      ModelChoice candidate, ModelResult result, Map<String, ModelResult> others, String report) {
    double loss = loss(result);
    if (!Double.isFinite(loss)) {
      return said(
          "Not promoted: its loss is %s, which is below no other. The metrics.jsonl of its run says from which step on it was."
              .formatted(loss));
    }
    for (Map.Entry<String, ModelResult> other : others.entrySet()) {
      double there = loss(other.getValue());
      if (Double.isFinite(there) && loss >= there) {
        return said(
            String.format(
                Locale.ROOT,
                "Not promoted: its loss is %.4f, that of %s %.4f.",
                loss,
                other.getKey(),
                there));
      }
    }
    folder.add(
        new Path(
            candidate
                .adapter()
                .orElseThrow(() -> new UserError("promote_to needs an adapter to promote."))),
        report);
    return said(
        String.format(Locale.ROOT, "Promoted to %s: its loss is %.4f.", folder.path(), loss));
  }

  private static String said(String text) {
    LOG.info(text);
    return text;
  }

  private static double loss(ModelResult result) {
    return result
        .loss()
        .map(Mean::value)
        .orElseThrow(
            () ->
                new UserError(
                    "promote_to compares losses, and none was measured: add loss to metrics, or"
                        + " samples that are no longer than the run's max_seq_length to the test"
                        + " split."));
  }
}
