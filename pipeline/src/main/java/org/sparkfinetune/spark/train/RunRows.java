package org.sparkfinetune.spark.train;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.PropertyNamingStrategies;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.time.Clock;
import java.time.LocalDate;
import java.time.ZoneId;
import java.util.Collections;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.TreeMap;
import org.apache.hadoop.fs.Path;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.config.TrainConfig;
import org.sparkfinetune.config.TrainConfig.ResumeFrom;
import org.sparkfinetune.data.template.ChatTemplate;
import org.sparkfinetune.data.tokenize.TokenizerFiles;
import org.sparkfinetune.engine.metrics.RunFolder;
import org.sparkfinetune.errors.Bug;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.spark.tokenize.TokenizeJob;
import org.sparkfinetune.spark.tokenize.TokenizeJob.TokenizeRequest;
import org.sparkfinetune.spark.tokenize.TokenizedCache;
import org.sparkfinetune.spark.tokenize.TokenizedDataset;
import org.sparkfinetune.spark.tokenize.TokenizedHash;
import org.sparkfinetune.store.Store;

/**
 * Which packed rows a run trains on. They are chosen when it first begins and are its own from then
 * on, in its folder, with the day that its template tells: neither midnight nor a data set that is
 * prepared anew under the same path changes what a run that was cut off goes on with. Only the
 * content may change so; with another path, tokenizer, template or way of packing the rows are
 * packed anew, and checkpoints of the old ones are refused.
 *
 * <p>Runs of one sweep may keep their rows in a folder that they share: the first of them packs,
 * the others find its rows by their hash.
 */
final class RunRows {
  private static final Logger LOG = LoggerFactory.getLogger(RunRows.class);
  private static final ObjectMapper JSON =
      JsonMapper.builder()
          .propertyNamingStrategy(PropertyNamingStrategies.SNAKE_CASE)
          .enable(SerializationFeature.INDENT_OUTPUT)
          .build();

  /**
   * {@code tokenized/run.json}.
   *
   * @param rows hash of the packed rows
   * @param dataset content hash of the data set that they were packed from
   * @param day that the template tells, in ISO's form
   * @param shaping what else shaped them, by name
   */
  record Pinned(String rows, String dataset, String day, Map<String, String> shaping) {
    Pinned {
      Objects.requireNonNull(rows, "rows");
      Objects.requireNonNull(dataset, "dataset");
      LocalDate.parse(Objects.requireNonNull(day, "day"));
      shaping = Collections.unmodifiableMap(new TreeMap<>(shaping));
    }
  }

  /**
   * The rows that a start will use, packed already or not.
   *
   * @param replacedBy what the data set's folder holds now, if that is not what the rows were
   *     packed from: a content hash, or why it cannot be read
   * @param found the data set, if its rows may have to be packed
   */
  record Choice(
      Pinned pinned,
      TokenizeRequest request,
      Optional<String> replacedBy,
      Optional<TokenizeJob.Found> found) {}

  private final RunFolder folder;
  private final Path packed;
  private final Store store;
  private final Clock clock;

  /**
   * @param packed where packed rows are kept: in the run folder, or shared with other runs
   */
  RunRows(RunFolder folder, Path packed, Store store, Clock clock) {
    this.folder = folder;
    this.packed = packed;
    this.store = store;
    this.clock = clock;
  }

  /**
   * Whether a run in this folder would go on with rows of its own from this {@code dataset_path},
   * so that it needs no data set.
   */
  static boolean areKept(TrainConfig config, Store store) {
    RunFolder folder = RunFolder.of(config.outputDir());
    RunRows rows =
        new RunRows(folder, folder.tokenized(), store, Clock.system(ZoneId.systemDefault()));
    return rows.own(config.checkpointing().resumeFrom())
        .filter(
            own ->
                store
                    .qualified(new Path(config.data().datasetPath()))
                    .toString()
                    .equals(own.shaping().get(TokenizedHash.DATASET_PATH)))
        .filter(own -> rows.cache().find(own.rows()).isPresent())
        .isPresent();
  }

  /**
   * Chooses; writes nothing.
   *
   * @throws UserError if the data set is needed and missing or broken
   */
  Choice choose(TokenizeJob job, TrainConfig config, TokenizerFiles tokenizer) {
    ResumeFrom from = config.checkpointing().resumeFrom();
    Optional<Pinned> own = own(from);
    LocalDate day =
        own.or(() -> ofOtherRun(from))
            .map(pinned -> LocalDate.parse(pinned.day()))
            .orElseGet(() -> LocalDate.now(clock));
    TokenizeRequest request =
        new TokenizeRequest(config.data(), tokenizer, packed, day, config.reporting().evaluates());
    ChatTemplate template = job.template(request);
    Map<String, String> shaping =
        TokenizedHash.shaping(
            TokenizedHash.settings(request, template),
            store.qualified(new Path(config.data().datasetPath())).toString());
    if (own.isPresent() && own.get().shaping().equals(shaping) && isThere(own.get())) {
      return withOwn(own.get(), request, job, template);
    }
    TokenizeJob.Found found = job.look(request, template);
    own.ifPresent(before -> explain(before, shaping));
    return new Choice(
        new Pinned(found.rowsHash(), found.contentHash(), day.toString(), shaping),
        request,
        Optional.empty(),
        Optional.of(found));
  }

  private boolean isThere(Pinned own) {
    return cache().find(own.rows()).isPresent();
  }

  private Choice withOwn(
      Pinned own, TokenizeRequest request, TokenizeJob job, ChatTemplate template) {
    Optional<String> replacedBy = Optional.empty();
    try {
      String now = job.look(request, template).contentHash();
      replacedBy = Optional.of(now).filter(hash -> !hash.equals(own.dataset()));
    } catch (UserError | RunFailure e) {
      replacedBy = Optional.of("it cannot be read now: " + e.getMessage());
    }
    replacedBy.ifPresent(
        by ->
            LOG.warn(
                "The data set in {} is not the one that this run began with ({}; {}). The run goes"
                    + " on with its own packed rows; resume_from_checkpoint: never starts over"
                    + " with the data set as it is now.",
                request.data().datasetPath(),
                own.dataset(),
                by));
    return new Choice(own, request, replacedBy, Optional.empty());
  }

  private static void explain(Pinned before, Map<String, String> now) {
    for (Map.Entry<String, String> setting : now.entrySet()) {
      String then = before.shaping().getOrDefault(setting.getKey(), "not set");
      if (!then.equals(setting.getValue())) {
        LOG.warn(
            "This run's rows were packed with {}: {}, which now is {}.",
            setting.getKey(),
            then,
            setting.getValue());
      }
    }
  }

  /**
   * Makes the choice the run's, and packs the rows if that was not done before. The first choice is
   * written down before the work, the same day and data set being wanted again after a kill; a
   * later one after it, so that the run can still go back when the work fails.
   */
  TokenizedDataset take(Choice choice, TokenizeJob job) {
    Optional<Pinned> before = read(folder);
    if (before.isPresent()) {
      TokenizedDataset rows = rows(choice, job);
      if (!before.get().equals(choice.pinned())) {
        write(choice.pinned());
      }
      return rows;
    }
    write(choice.pinned());
    try {
      return rows(choice, job);
    } catch (UserError e) {
      // A run that was refused leaves nothing.
      store.delete(folder.rowsOfRun());
      if (store.folders(folder.tokenized()).isEmpty()) {
        store.delete(folder.tokenized());
      }
      throw e;
    }
  }

  private TokenizedDataset rows(Choice choice, TokenizeJob job) {
    return choice
        .found()
        .map(found -> job.pack(choice.request(), found))
        .or(() -> cache().find(choice.pinned().rows()))
        .orElseThrow(
            () ->
                new RunFailure(
                    "The packed rows of this run are gone from %s. Give the same command again."
                        .formatted(packed)));
  }

  private TokenizedCache cache() {
    return new TokenizedCache(packed, store);
  }

  private Optional<Pinned> own(ResumeFrom from) {
    return from instanceof ResumeFrom.Never ? Optional.empty() : read(folder);
  }

  /** The day of a run whose checkpoint begins this one: checkpoints fit the rows of their day. */
  private Optional<Pinned> ofOtherRun(ResumeFrom from) {
    return from instanceof ResumeFrom.Path path
        ? RunFolder.ofCheckpoint(new Path(path.uri())).flatMap(this::read)
        : Optional.empty();
  }

  private Optional<Pinned> read(RunFolder run) {
    return store.read(run.rowsOfRun()).map(bytes -> parse(bytes, run.rowsOfRun()));
  }

  private static Pinned parse(byte[] json, Path file) {
    try {
      return JSON.readValue(json, Pinned.class);
    } catch (IOException e) {
      throw new UserError(
          "%s does not say which packed rows are the run's. Delete it, and the rows are found again as long as the data set and the day are the same."
              .formatted(file),
          e);
    }
  }

  private void write(Pinned pinned) {
    try {
      store.replace(folder.rowsOfRun(), JSON.writeValueAsBytes(pinned));
    } catch (JsonProcessingException e) {
      throw new Bug("A run's choice of rows cannot be written as JSON.", e);
    }
  }
}
