package org.sparkfinetune.inference.evaluate;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.Collectors;
import org.sparkfinetune.data.conversation.Conversation;
import org.sparkfinetune.data.conversation.Conversation.Message;
import org.sparkfinetune.data.conversation.Conversation.Role;

/** The schema in a text-to-SQL prompt. */
public final class SchemaText {
  private static final String CREATE = "create table";

  private SchemaText() {}

  /** From the first CREATE TABLE of a message that is not the assistant's; nothing without one. */
  public static Optional<String> of(Conversation conversation) {
    for (Message message : conversation.messages()) {
      int at = message.content().toLowerCase(Locale.ROOT).indexOf(CREATE);
      if (message.role() != Role.ASSISTANT && at >= 0) {
        return Optional.of(message.content().substring(at));
      }
    }
    return Optional.empty();
  }

  /** The CREATE TABLE statements of a text; what is between them is left out. */
  static List<String> createTables(String schema) {
    List<String> statements = new ArrayList<>();
    for (List<SqlText.Token> statement : SqlText.statements(schema)) {
      int begin = 0;
      for (int i = 0; i + 1 < statement.size(); i++) {
        if (statement.get(i).is("create") && statement.get(i + 1).is("table")) {
          addStatement(statement, begin, i, statements);
          begin = i;
        }
      }
      addStatement(statement, begin, statement.size(), statements);
    }
    return statements;
  }

  private static void addStatement(
      List<SqlText.Token> tokens, int from, int to, List<String> statements) {
    if (to - from > 2 && tokens.get(from).is("create") && tokens.get(from + 1).is("table")) {
      int end = closingParenthesis(tokens, from, to);
      statements.add(
          tokens.subList(from, end).stream()
              .map(SqlText.Token::text)
              .collect(Collectors.joining(" ")));
    }
  }

  /** A prompt may go on in words behind the last statement. */
  private static int closingParenthesis(List<SqlText.Token> tokens, int from, int to) {
    int depth = 0;
    for (int i = from; i < to; i++) {
      String text = tokens.get(i).text();
      depth += text.equals("(") ? 1 : text.equals(")") ? -1 : 0;
      if (depth == 0 && text.equals(")")) {
        return i + 1;
      }
    }
    return to;
  }
}
