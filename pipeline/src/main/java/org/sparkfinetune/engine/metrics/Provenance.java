package org.sparkfinetune.engine.metrics;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.time.Instant;
import java.util.Collections;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.apache.hadoop.util.VersionInfo;
import org.sparkfinetune.store.Store;

/**
 * {@code provenance.json}: what a run was made from.
 *
 * @param versions of everything that could change a number, by name
 * @param data hash: of everything that shaped the packed rows
 * @param tokenizedPath Hadoop URI of the packed rows
 */
public record Provenance(
    Map<String, String> versions,
    long seed,
    Source data,
    Dataset dataset,
    Source model,
    String tokenizedPath,
    Instant startedAt) {

  /**
   * Something that was read.
   *
   * @param path Hadoop URI or hub id
   * @param revision branch, tag or commit, for a hub id
   * @param hash of its content, with the algorithm's name before a colon
   */
  public record Source(String path, Optional<String> revision, String hash) {}

  /**
   * What was in the folder of the data when its rows were packed.
   *
   * @param hash of the files' names and contents, with the algorithm's name before a colon
   * @param replacedBy the same of what was there when the run was last started, or why that could
   *     not be read; empty if it was the same
   */
  public record Dataset(String hash, Optional<String> replacedBy) {}

  public Provenance {
    versions = Collections.unmodifiableMap(new TreeMap<>(versions));
  }

  /** Versions that this process knows by itself: ours, Java, Hadoop, the operating system. */
  public static Map<String, String> versionsHere() {
    Optional<String> ours =
        Optional.ofNullable(Provenance.class.getPackage().getImplementationVersion());
    return Map.of(
        "spark-finetune", ours.orElse("development"),
        "java", Runtime.version().toString(),
        "hadoop", VersionInfo.getVersion(),
        "os", System.getProperty("os.name", "") + " " + System.getProperty("os.version", ""),
        "arch", System.getProperty("os.arch", ""));
  }

  public void write(RunFolder folder, Store files) {
    files.replace(folder.provenance(), Json.bytes(json()));
  }

  /** What an earlier start in this folder wrote, if there was one. */
  public static Optional<Provenance> read(RunFolder folder, Store files) {
    return Json.read(folder.provenance(), files).map(Provenance::of);
  }

  private ObjectNode json() {
    ObjectNode node = JsonNodeFactory.instance.objectNode();
    ObjectNode versionNode = node.putObject("versions");
    versions.forEach(versionNode::put);
    node.put("seed", seed);
    node.set("data", dataJson());
    node.set("model", json(model));
    return node.put("tokenized_path", tokenizedPath).put("started_at", startedAt.toString());
  }

  /** Of the data: where they were, what they were, and whether others are there now. */
  ObjectNode dataJson() {
    ObjectNode node = json(data).put("content_hash", dataset.hash());
    dataset.replacedBy().ifPresent(by -> node.put("replaced_by", by));
    return node;
  }

  private static ObjectNode json(Source source) {
    ObjectNode node = JsonNodeFactory.instance.objectNode().put("path", source.path());
    source.revision().ifPresent(revision -> node.put("revision", revision));
    return node.put("hash", source.hash());
  }

  private static Provenance of(JsonNode node) {
    Map<String, String> versions = new TreeMap<>();
    node.path("versions")
        .fields()
        .forEachRemaining(entry -> versions.put(entry.getKey(), entry.getValue().asText()));
    return new Provenance(
        versions,
        node.path("seed").asLong(),
        source(node.path("data")),
        new Dataset(
            node.path("data").path("content_hash").asText(),
            text(node.path("data"), "replaced_by")),
        source(node.path("model")),
        node.path("tokenized_path").asText(),
        Instant.parse(node.path("started_at").asText("1970-01-01T00:00:00Z")));
  }

  private static Source source(JsonNode node) {
    return new Source(
        node.path("path").asText(), text(node, "revision"), node.path("hash").asText());
  }

  private static Optional<String> text(JsonNode node, String key) {
    JsonNode text = node.path(key);
    return text.isTextual() ? Optional.of(text.asText()) : Optional.empty();
  }
}
