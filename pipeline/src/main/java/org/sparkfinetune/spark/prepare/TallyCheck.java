package org.sparkfinetune.spark.prepare;

import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;
import org.sparkfinetune.config.PrepareConfig;
import org.sparkfinetune.errors.UserError;

/** Decides after the reading pass, before anything is written, whether the job may go on. */
final class TallyCheck {
  private static final int REASONS_NAMED = 3;

  private final PrepareConfig config;
  private final List<InputFile> files;

  TallyCheck(PrepareConfig config, List<InputFile> files) {
    this.config = config;
    this.files = files;
  }

  void check(Tally tally) {
    checkReadable(tally);
    if (tally.tooManyStrata()) {
      throw new UserError(
          "stratify_by: '%s' has more than %s different values. Name a column of categories."
              .formatted(config.stratifyBy().orElse(""), Tally.MOST_STRATA));
    }
    checkRows(tally, InputFile.Origin.INPUT, "input");
    if (config.testInput().isPresent()) {
      checkRows(tally, InputFile.Origin.TEST_INPUT, "test_input");
    }
    checkRejected(tally);
    if (tally.samples().keySet().stream()
        .noneMatch(stratum -> stratum.origin() == InputFile.Origin.INPUT)) {
      throw new UserError(
          "input: none of the %s rows could be taken.\n%s".formatted(tally.rows(), reasons(tally)));
    }
  }

  private void checkReadable(Tally tally) {
    if (tally.unreadable().isEmpty()) {
      return;
    }
    String lines =
        tally.unreadable().entrySet().stream()
            .limit(REASONS_NAMED)
            .map(entry -> "  %s: %s".formatted(files.get(entry.getKey()).uri(), entry.getValue()))
            .collect(Collectors.joining("\n"));
    throw new UserError(
        "input: %s file(s) cannot be read to the end, so nobody knows how many rows would be lost. Mend or leave out:\n%s"
            .formatted(tally.unreadable().size(), lines));
  }

  private void checkRows(Tally tally, InputFile.Origin origin, String key) {
    List<InputFile> own = files.stream().filter(file -> file.origin() == origin).toList();
    if (own.stream().allMatch(file -> tally.rowsOf(file.index()) == 0)) {
      throw new UserError(
          "%s: no rows in %s%s. Name files that hold rows."
              .formatted(
                  key,
                  own.get(0).uri(),
                  own.size() > 1 ? " and %s more".formatted(own.size() - 1) : ""));
    }
  }

  private void checkRejected(Tally tally) {
    double share = (double) tally.rejectedRows() / tally.rows();
    if (share > config.maxRejected()) {
      throw new UserError(
          String.format(
              Locale.ROOT,
              "max_rejected: %d of %d rows (%.2f %%) cannot be taken, %.2f %% are allowed. Mend the"
                  + " input, choose the dataset that fits it (now '%s'), or raise max_rejected."
                  + " Commonest reasons:%n%s",
              tally.rejectedRows(),
              tally.rows(),
              100 * share,
              100 * config.maxRejected(),
              config.dataset().text(),
              reasons(tally)));
    }
  }

  private String reasons(Tally tally) {
    LineNumbers lines = LineNumbers.of(tally.lines());
    return tally.commonestReasons().stream()
        .limit(REASONS_NAMED)
        .map(count -> reason(count, lines))
        .collect(Collectors.joining("\n"));
  }

  private String reason(Tally.Count count, LineNumbers lines) {
    Rejection first = count.first();
    return "  %s x %s. The first: %s row %s: %s%n    %s"
        .formatted(
            count.rows(),
            first.reason().text(),
            files.get(first.place().file()).uri(),
            lines.rowInFile(first.place()),
            first.detail(),
            first.excerpt().replace('\n', ' '));
  }
}
