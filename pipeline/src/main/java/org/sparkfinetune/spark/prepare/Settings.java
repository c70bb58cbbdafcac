package org.sparkfinetune.spark.prepare;

import org.sparkfinetune.config.DatasetKind;
import org.sparkfinetune.config.PrepareConfig;
import org.sparkfinetune.data.conversation.MessageTemplate;
import org.sparkfinetune.data.conversation.RowShape;
import org.sparkfinetune.data.conversation.RowShape.Converter;
import org.sparkfinetune.errors.UserError;

/** What follows from the configuration, and what only the work itself can object to. */
final class Settings {
  private Settings() {}

  static void check(PrepareConfig config) {
    if (config.testInput().isPresent() && config.stratifyBy().isPresent()) {
      throw new UserError(
          "stratify_by: has nothing to split when test_input names a ready test split. Remove one"
              + " of them.");
    }
  }

  static Converter converter(PrepareConfig config) {
    return shape(config.dataset())
        .converter(config.systemMessage(), config.template().map(MessageTemplate::new));
  }

  private static RowShape shape(DatasetKind kind) {
    return switch (kind) {
      case SQL_CREATE_CONTEXT -> RowShape.SQL_CREATE_CONTEXT;
      case NO_ROBOTS -> RowShape.NO_ROBOTS;
      case MESSAGES -> RowShape.MESSAGES;
      case SHAREGPT -> RowShape.SHAREGPT;
      case ALPACA -> RowShape.ALPACA;
      case INSTRUCTION -> RowShape.INSTRUCTION;
      case TEMPLATE -> RowShape.TEMPLATE;
    };
  }

  /**
   * Whether JSON lines write non-ASCII characters as {@code \\uXXXX}: the reference's SQL recipe
   * does, its no_robots recipe does not, and neither do we elsewhere.
   */
  static Escaping escaping(PrepareConfig config) {
    return config.dataset() == DatasetKind.SQL_CREATE_CONTEXT ? Escaping.ASCII_ONLY : Escaping.UTF8;
  }
}
