package org.sparkfinetune.jobs;

import java.util.ArrayList;
import java.util.List;
import org.sparkfinetune.config.KeyEntry;
import org.sparkfinetune.config.KeyTable;
import picocli.CommandLine;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Model.UsageMessageSpec;
import picocli.CommandLine.Option;

/** {@code --help} of every command. */
final class Help {
  static final int WIDTH = 100;
  private static final int NAME_WIDTH = 40;

  @Option(
      names = {"-h", "--help"},
      usageHelp = true,
      description = "Shows this and does nothing.")
  private boolean asked;

  /**
   * A command that hands what it does not know to the configuration. The keys are options for the
   * help only: the configuration reads them, in a file's spellings and with a file's messages.
   */
  static CommandLine withKeys(Object command, KeyTable table) {
    CommandLine line = new CommandLine(command).setUnmatchedOptionsArePositionalParams(true);
    // All commands come by here at every start, and hardly one shows its help.
    line.getHelpSectionMap()
        .put(
            UsageMessageSpec.SECTION_KEY_FOOTER,
            help -> {
              help.commandSpec().usageMessage().footer(footer(table));
              return help.footer();
            });
    return line;
  }

  private static String[] footer(KeyTable table) {
    CommandSpec keys = CommandSpec.create();
    keys.usageMessage().sortOptions(false).width(WIDTH).longOptionsMaxWidth(NAME_WIDTH);
    for (KeyEntry key : table.keys()) {
      String description = "%s [%s]".formatted(key.doc(), key.defaultText()).replace("%", "%%");
      keys.addOption(OptionSpec.builder("--" + key.name()).description(description).build());
    }
    List<String> footer = new ArrayList<>();
    footer.add(
        "%nEvery key of the file can be given here too and wins; its default is in brackets:");
    String options = new CommandLine(keys).getHelp().optionList();
    footer.addAll(options.replace("%", "%%").lines().toList());
    return footer.toArray(String[]::new);
  }

  boolean isAsked() {
    return asked;
  }
}
