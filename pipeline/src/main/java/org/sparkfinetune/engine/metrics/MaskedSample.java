package org.sparkfinetune.engine.metrics;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import org.sparkfinetune.store.Store;

/** A tokenised conversation as text again, cut where the loss begins or ends. */
public record MaskedSample(List<Piece> pieces, int tokens, int trainedTokens) {

  /** Text of successive tokens that all have a loss, or all none. */
  public record Piece(String text, Loss loss) {}

  /** Whether the model learns to predict it. */
  public enum Loss {
    TRAINED,
    NOT_TRAINED
  }

  public MaskedSample {
    pieces = List.copyOf(pieces);
  }

  /** As an object with {@code tokens}, {@code trained_tokens} and {@code pieces}. */
  public ObjectNode json() {
    ObjectNode node = JsonNodeFactory.instance.objectNode();
    node.put("tokens", tokens).put("trained_tokens", trainedTokens);
    ArrayNode array = node.putArray("pieces");
    for (Piece piece : pieces) {
      array.addObject().put("text", piece.text()).put("trained", piece.loss() == Loss.TRAINED);
    }
    return node;
  }

  private static MaskedSample of(JsonNode node) {
    List<Piece> pieces = new ArrayList<>();
    for (JsonNode piece : node.path("pieces")) {
      Loss loss = piece.path("trained").asBoolean() ? Loss.TRAINED : Loss.NOT_TRAINED;
      pieces.add(new Piece(piece.path("text").asText(), loss));
    }
    return new MaskedSample(
        pieces, node.path("tokens").asInt(), node.path("trained_tokens").asInt());
  }

  /** Replaces {@code samples.json}. */
  public static void write(List<MaskedSample> samples, RunFolder folder, Store files) {
    ObjectNode node = JsonNodeFactory.instance.objectNode();
    ArrayNode array = node.putArray("samples");
    samples.forEach(sample -> array.add(sample.json()));
    files.replace(folder.samples(), Json.bytes(node));
  }

  /** What is in {@code samples.json}; nothing if it is not there. */
  public static List<MaskedSample> read(RunFolder folder, Store files) {
    List<MaskedSample> samples = new ArrayList<>();
    Json.read(folder.samples(), files)
        .ifPresent(node -> node.path("samples").forEach(sample -> samples.add(of(sample))));
    return samples;
  }
}
