package org.sparkfinetune.spark.train;

import static org.assertj.core.api.Assumptions.assumeThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** What was seen to hold, as a page. */
final class FaultTable {
  private static final Logger LOG = LoggerFactory.getLogger(FaultTable.class);

  private static final String HEAD =
      """
      # When something dies

      What happens to a run of two executors (the shipped sample, a checkpoint every 4 of 24 steps) when something dies,
      made by `mvn verify -pl pipeline -am -Pfaults` as root (`-Dfaults.cases=REGEX` makes some lines anew). In each case
      the adapter and every step's loss at the end were compared with those of an uninterrupted run, and are equal to the
      last bit. "From the last checkpoint" means that no more was done again than the steps since the last complete one.
      One run of 96 steps whose executors are killed twenty times ends with the same adapter, too:
      `mvn verify -pl pipeline -am -Psoak`.

      | what happens | when | what must hold | what held |
      | --- | --- | --- | --- |
      """;

  private final Map<String, String> lines = new HashMap<>();

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
    String line = "%s %s | %s |".formatted(begin(fault), fault.outcome().words, what);
    lines.put(begin(fault), line);
    LOG.info(line);
  }

  private static String begin(FaultCase fault) {
    return "| %s | %s |".formatted(fault.death(), fault.moment().words);
  }

  /** Cases that were not run now keep the line that the file has for them. */
  void write(Path file) throws IOException {
    List<String> before = Files.exists(file) ? Files.readAllLines(file) : List.of();
    StringBuilder page = new StringBuilder(HEAD);
    FaultCases.all()
        .map(FaultTable::begin)
        .forEach(
            begin ->
                Optional.ofNullable(lines.get(begin))
                    .or(() -> before.stream().filter(line -> line.startsWith(begin)).findFirst())
                    .ifPresent(line -> page.append(line).append('\n')));
    Files.writeString(file, page);
  }
}
