package org.sparkfinetune.spark.why;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.sparkfinetune.spark.dataset.RowOrigin;

/**
 * What {@code why} found.
 *
 * @param hash of the data set's rows
 * @param found the conversation, or its copies
 * @param runs empty if nobody asked for them
 */
public record WhyAnswer(String dataset, String hash, List<Found> found, List<Run> runs) {
  private static final int SHOWN = 400;

  public WhyAnswer {
    found = List.copyOf(found);
    runs = List.copyOf(runs);
  }

  /**
   * A conversation of the data set.
   *
   * @param version of its table, or the commit of its file's repository; empty if there is none
   * @param messages as JSON; empty where the data set has no Parquet
   */
  public record Found(RowOrigin origin, String version, String messages) {}

  /**
   * A run.
   *
   * @param epochs passes over the training split so far
   * @param data the data set that it was given
   */
  public record Run(String folder, Use use, double epochs, String data) {}

  /** What a run did with the conversation. */
  public enum Use {
    TRAINED("trained on it"),
    /** Less than one pass, so that it may not have been its turn. */
    PERHAPS("perhaps trained on it: less than one pass over the data"),
    NOT_YET("has it among its rows, and has trained no step"),
    EVALUATED("evaluated on it, and never trained"),
    LEFT_OUT("left it out: longer than max_seq_length, or nothing of it to train"),
    OTHER_DATA("has another data set, or another state of this one");

    private final String words;

    Use(String words) {
      this.words = words;
    }

    /** In JSON. */
    String text() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  /** For people. */
  public List<String> lines() {
    List<String> lines = new ArrayList<>();
    for (Found one : found) {
      RowOrigin origin = one.origin();
      add(lines, "id", origin.id());
      add(lines, "source", origin.source());
      add(lines, "file", origin.file());
      add(lines, "version", one.version());
      add(lines, "row", Long.toString(origin.row()));
      add(lines, "split", origin.split());
      add(lines, "text", shortened(one.messages()));
      lines.add("");
    }
    add(lines, "data set", "%s, hash %s".formatted(dataset, hash));
    for (Run run : runs) {
      add(
          lines,
          "run",
          "%s: %s%s"
              .formatted(
                  run.folder(),
                  run.use().words,
                  run.use() == Use.OTHER_DATA
                      ? " (%s)".formatted(run.data())
                      : String.format(Locale.ROOT, " (epoch %.2f)", run.epochs())));
    }
    return lines;
  }

  private static void add(List<String> lines, String name, String value) {
    if (!value.isEmpty()) {
      lines.add(String.format(Locale.ROOT, "%-9s %s", name, value));
    }
  }

  private static String shortened(String text) {
    return text.length() > SHOWN ? text.substring(0, SHOWN) + "…" : text;
  }

  /** For programs: one line. */
  public String json() {
    ObjectMapper mapper = new ObjectMapper();
    ObjectNode json = mapper.createObjectNode();
    json.put("dataset_path", dataset).put("dataset_hash", hash);
    ArrayNode conversations = json.putArray("conversations");
    for (Found one : found) {
      RowOrigin origin = one.origin();
      conversations
          .addObject()
          .put("id", origin.id())
          .put("split", origin.split())
          .put("source", origin.source())
          .put("file", origin.file())
          .put("version", one.version())
          .put("row", origin.row())
          .put("messages", one.messages());
    }
    ArrayNode all = json.putArray("runs");
    for (Run run : runs) {
      all.addObject()
          .put("folder", run.folder())
          .put("use", run.use().text())
          .put("epochs", run.epochs())
          .put("dataset_path", run.data());
    }
    return json.toString();
  }
}
