package org.sparkfinetune.jobs;

import java.util.ArrayList;
import java.util.List;
import org.sparkfinetune.config.Key;
import org.sparkfinetune.config.KeyTable;
import picocli.CommandLine.Help.Ansi;
import picocli.CommandLine.Help.Column;
import picocli.CommandLine.Help.TextTable;
import picocli.CommandLine.Option;

/** {@code --help} of every command. */
final class Help {
  private static final int WIDTH = 100;
  private static final int NAME_WIDTH = 36;

  @Option(
      names = {"-h", "--help"},
      usageHelp = true,
      description = "Shows this and does nothing.")
  private boolean asked;

  /** A line for each key of a command's configuration. */
  static String[] keys(KeyTable table) {
    TextTable lines =
        TextTable.forColumns(
            picocli.CommandLine.Help.defaultColorScheme(Ansi.OFF),
            new Column(NAME_WIDTH, 2, Column.Overflow.SPAN),
            new Column(WIDTH - NAME_WIDTH, 2, Column.Overflow.WRAP));
    for (Key<?> key : table.keys()) {
      lines.addRowValues("--" + key.name(), "%s [%s]".formatted(key.doc(), key.defaultText()));
    }
    List<String> footer = new ArrayList<>();
    footer.add(
        "%nEvery key of the file can be given here too and wins; its default is in brackets:");
    footer.addAll(lines.toString().replace("%", "%%").lines().toList());
    return footer.toArray(String[]::new);
  }

  boolean isAsked() {
    return asked;
  }
}
