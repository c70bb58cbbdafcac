package org.sparkfinetune.engine.checkpoint;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.TreeSet;
import org.sparkfinetune.errors.Bug;
import org.sparkfinetune.errors.UserError;

/**
 * {@code manifest.json} of a checkpoint.
 *
 * @param step optimizer steps done
 * @param rowsPerStep rows of an optimizer step over all ranks; stays when the number of ranks
 *     changes
 * @param identity of the run that wrote it
 * @param counters of the record, by name; finite
 * @param contents what the files hold
 * @param files of ranks 0 to worldSize - 1
 */
public record CheckpointManifest(
    long step,
    int rowsPerStep,
    RunIdentity identity,
    Map<String, Double> counters,
    Contents contents,
    List<StateFile> files) {
  static final String NAME = "manifest.json";
  private static final int FORMAT = 1;
  private static final String CONTENTS = "contents";
  private static final String MODEL = "model";
  private static final ObjectMapper JSON = new ObjectMapper();

  /** What of a run a checkpoint holds. */
  public enum Contents {
    /** All that a run needs to go on. */
    WHOLE_STATE,
    /** The trained weights, without the optimizer's state. */
    MODEL
  }

  public CheckpointManifest {
    counters = Collections.unmodifiableMap(new TreeMap<>(counters));
    files = List.copyOf(files);
  }

  /** Whether a run can go on from it. */
  public boolean isWhole() {
    return contents == Contents.WHOLE_STATE;
  }

  public int worldSize() {
    return files.size();
  }

  byte[] json() {
    ObjectNode node = JsonNodeFactory.instance.objectNode();
    node.put("format", FORMAT).put("step", step).put("rows_per_step", rowsPerStep);
    if (contents == Contents.MODEL) {
      node.put(CONTENTS, MODEL);
    }
    ObjectNode run = node.putObject("run");
    identity.values().forEach(run::put);
    ObjectNode numbers = node.putObject("counters");
    counters.forEach(numbers::put);
    var list = node.putArray("files");
    files.forEach(file -> file.addTo(list.addObject()));
    try {
      return JSON.writerWithDefaultPrettyPrinter().writeValueAsBytes(node);
    } catch (JsonProcessingException e) {
      throw new Bug("A checkpoint's manifest cannot be written as JSON.", e);
    }
  }

  /**
   * @param where named in messages
   * @throws UserError if it is not a manifest that this version reads
   */
  static CheckpointManifest parse(byte[] json, String where) {
    JsonNode node;
    try {
      node = JSON.readTree(json);
    } catch (IOException e) {
      throw damaged(where, "it is not JSON");
    }
    if (node == null || node.path("format").asInt() != FORMAT) {
      throw damaged(where, "\"format\" is not " + FORMAT);
    }
    Map<String, String> run = new TreeMap<>();
    node.path("run").fields().forEachRemaining(e -> run.put(e.getKey(), e.getValue().asText()));
    Map<String, Double> counters = new TreeMap<>();
    node.path("counters")
        .fields()
        .forEachRemaining(e -> counters.put(e.getKey(), e.getValue().asDouble()));
    List<StateFile> files = new ArrayList<>();
    node.path("files").forEach(file -> files.add(StateFile.of(file)));
    long step = node.path("step").asLong(-1);
    int rowsPerStep = node.path("rows_per_step").asInt(-1);
    for (int rank = 0; rank < files.size(); rank++) {
      if (!files.get(rank).name().equals(StateFile.name(rank, files.size()))) {
        throw damaged(where, "file " + rank + " is called " + files.get(rank).name());
      }
    }
    if (step < 0 || rowsPerStep < 1 || files.isEmpty()) {
      throw damaged(where, "step, rows_per_step or files is missing");
    }
    Contents contents =
        node.path(CONTENTS).asText().equals(MODEL) ? Contents.MODEL : Contents.WHOLE_STATE;
    return new CheckpointManifest(
        step, rowsPerStep, new RunIdentity(run), counters, contents, files);
  }

  private static UserError damaged(String where, String why) {
    return new UserError(
        "%s is not the manifest of a checkpoint: %s. Delete that checkpoint to go on from an earlier"
                .formatted(where, why)
            + " one.");
  }

  /**
   * What must be the same for a run to go on from a checkpoint: settings that shape the result, and
   * the hashes of model and data, by name.
   */
  public record RunIdentity(Map<String, String> values) {
    public RunIdentity {
      values = Collections.unmodifiableMap(new TreeMap<>(values));
    }

    /** A line for each value that differs; none when a run may go on. */
    public List<String> differences(RunIdentity now) {
      List<String> lines = new ArrayList<>();
      TreeSet<String> names = new TreeSet<>(values.keySet());
      names.addAll(now.values.keySet());
      for (String name : names) {
        Optional<String> then = Optional.ofNullable(values.get(name));
        Optional<String> today = Optional.ofNullable(now.values.get(name));
        if (!then.equals(today)) {
          lines.add(
              "%s: %s in the checkpoint, %s now"
                  .formatted(name, then.orElse("not set"), today.orElse("not set")));
        }
      }
      return lines;
    }
  }
}
