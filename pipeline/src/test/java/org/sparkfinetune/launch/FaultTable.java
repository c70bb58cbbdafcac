package org.sparkfinetune.launch;

import static org.assertj.core.api.Assumptions.assumeThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** What was seen to hold, as a page. */
final class FaultTable {
  private static final Logger LOG = LoggerFactory.getLogger(FaultTable.class);

  private static final String HEAD =
      """
      # When something dies

      What happens to a run of two executors (the shipped sample, a checkpoint every 4 of 24 steps) when something dies,
      made by `mvn verify -pl pipeline -am -Pfaults` as root. In each case the adapter and every step's loss at the end
      were compared with those of an uninterrupted run, and are equal to the last bit. "From the last checkpoint" means
      that no more was done again than the steps since the last complete one.

      | what happens | when | what must hold | what held |
      | --- | --- | --- | --- |
      """;

  private final List<String> lines = new ArrayList<>();

  void held(FaultCase fault, String what) {
    add(fault, what);
  }

  void failed(FaultCase fault, Throwable why) {
    add(
        fault,
        "**did not hold**: " + String.valueOf(why.getMessage()).strip().replaceAll("\\s+", " "));
  }

  /** A case that cannot be tried here stands in the table as such. */
  void assume(FaultCase fault, boolean possible, String need) {
    if (!possible) {
      add(fault, "not tried: " + need);
    }
    assumeThat(possible).as(need).isTrue();
  }

  private void add(FaultCase fault, String what) {
    String line =
        "| %s | %s | %s | %s |"
            .formatted(fault.death(), fault.moment().words, fault.outcome().words, what);
    lines.add(line);
    LOG.info(line);
  }

  void write(Path file) throws IOException {
    Files.writeString(file, HEAD + String.join("\n", lines) + "\n");
  }
}
