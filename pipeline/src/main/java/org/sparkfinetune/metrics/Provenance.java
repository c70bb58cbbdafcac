package org.sparkfinetune.metrics;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.time.Instant;
import java.util.Collections;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.apache.hadoop.util.VersionInfo;

/**
 * {@code provenance.json}: what a run was made from.
 *
 * @param versions of everything that could change a number, by name
 * @param tokenizedPath Hadoop URI of the packed rows
 */
public record Provenance(
    Map<String, String> versions,
    long seed,
    Source data,
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

  public void write(RunFolder folder, RunFiles files) {
    files.replace(folder.provenance(), Json.bytes(json()));
  }

  /** What an earlier start in this folder wrote, if there was one. */
  public static Optional<Provenance> read(RunFolder folder, RunFiles files) {
    return Json.read(folder.provenance(), files).map(Provenance::of);
  }

  private ObjectNode json() {
    ObjectNode node = JsonNodeFactory.instance.objectNode();
    ObjectNode versionNode = node.putObject("versions");
    versions.forEach(versionNode::put);
    node.put("seed", seed);
    node.set("data", json(data));
    node.set("model", json(model));
    return node.put("tokenized_path", tokenizedPath).put("started_at", startedAt.toString());
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
        source(node.path("model")),
        node.path("tokenized_path").asText(),
        Instant.parse(node.path("started_at").asText("1970-01-01T00:00:00Z")));
  }

  private static Source source(JsonNode node) {
    JsonNode revision = node.path("revision");
    return new Source(
        node.path("path").asText(),
        revision.isTextual() ? Optional.of(revision.asText()) : Optional.empty(),
        node.path("hash").asText());
  }
}
