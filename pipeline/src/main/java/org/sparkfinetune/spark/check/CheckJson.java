package org.sparkfinetune.spark.check;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Locale;

/** What {@code check} found, for programs. */
public final class CheckJson {
  private CheckJson() {}

  /** One JSON document. */
  public static String of(CheckReport report) {
    ObjectNode node = JsonNodeFactory.instance.objectNode();
    ArrayNode lines = node.putArray("checks");
    for (CheckLine line : report.lines()) {
      ObjectNode one =
          lines
              .addObject()
              .put("subject", line.subject())
              .put("verdict", line.verdict().name().toLowerCase(Locale.ROOT))
              .put("what", line.what());
      line.advice().ifPresent(advice -> one.put("advice", advice));
    }
    ArrayNode samples = node.putArray("samples");
    report.samples().forEach(sample -> samples.add(sample.json()));
    return node.put("failed", report.count(CheckLine.Verdict.FAILED)).toPrettyString();
  }
}
