package org.sparkfinetune.launch;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.InstantSource;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.Path;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.config.ModelChoice;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.evaluate.Mean;
import org.sparkfinetune.evaluate.ModelResult;
import org.sparkfinetune.metrics.RunFiles;
import org.sparkfinetune.safetensors.AtomicCopy;

/**
 * A folder that always holds the best adapter so far: {@code adapter/}, the {@code config.yaml} of
 * its run, by which it is applied as it was trained, and the {@code evaluation.json} that brought
 * it there. The one that is there is measured again on the samples of today, because losses on
 * different samples say nothing of each other.
 */
final class Promotion {
  private static final Logger LOG = LoggerFactory.getLogger(Promotion.class);
  private static final String ADAPTER = "adapter";
  private static final String CONFIG = "config.yaml";

  private final Path folder;
  private final Configuration hadoop;
  private final RunFiles files;

  Promotion(String folder, Configuration hadoop) {
    this.folder = new Path(folder);
    this.hadoop = hadoop;
    this.files = new RunFiles(hadoop, InstantSource.system());
  }

  /** The model with the adapter that is in the folder now, if there is one. */
  Optional<ModelChoice> incumbent(ModelChoice candidate) {
    Path adapter = new Path(folder, ADAPTER);
    return files.exists(new Path(adapter, "adapter_config.json"))
        ? Optional.of(
            candidate.at(
                candidate.modelId(), Optional.of(adapter.toString()), candidate.tokenizer()))
        : Optional.empty();
  }

  /**
   * Puts the candidate into the folder if its loss is below those of all others.
   *
   * @param others name to result: the incumbent, or without one the base model
   * @return in words what was done
   * @throws UserError if losses were not measured
   */
  String decide(
      ModelChoice candidate, ModelResult result, Map<String, ModelResult> others, String report) {
    double loss = loss(result);
    for (Map.Entry<String, ModelResult> other : others.entrySet()) {
      double there = loss(other.getValue());
      if (loss >= there) {
        return said(
            "Not promoted: its loss is %.4f, that of %s %.4f."
                .formatted(loss, other.getKey(), there));
      }
    }
    promote(
        new Path(
            candidate
                .adapter()
                .orElseThrow(() -> new UserError("promote_to needs an adapter to promote."))),
        report);
    return said(String.format(Locale.ROOT, "Promoted to %s: its loss is %.4f.", folder, loss));
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
                    "promote_to compares losses, and none was measured: add loss to metrics, or samples that are no longer than the run's max_seq_length to the test split."));
  }

  private void promote(Path adapter, String report) {
    Path aside = new Path(folder.getParent(), "." + folder.getName() + ".tmp");
    files.deleteFolder(aside);
    try {
      List<String> names =
          Stream.of(adapter.getFileSystem(hadoop).listStatus(adapter))
              .filter(FileStatus::isFile)
              .map(file -> file.getPath().getName())
              .toList();
      AtomicCopy.present(adapter, new Path(aside, ADAPTER), names, hadoop);
      AtomicCopy.present(adapter.getParent(), aside, List.of(CONFIG), hadoop);
    } catch (IOException e) {
      throw new RunFailure(
          "%s could not be copied to %s: %s".formatted(adapter, folder, e.getMessage()), e);
    }
    files.replace(new Path(aside, "evaluation.json"), report.getBytes(StandardCharsets.UTF_8));
    files.replaceFolder(aside, folder);
  }
}
