package org.sparkfinetune.data.jinja;

import java.util.List;
import org.sparkfinetune.data.jinja.Lexer.Token;
import org.sparkfinetune.data.jinja.Lexer.Type;
import org.sparkfinetune.data.jinja.TemplateError.Kind;

/** The tokens of a template, read one after another. */
final class TokenStream {
  private final List<Token> tokens;
  private int at = 0;

  TokenStream(List<Token> tokens) {
    this.tokens = tokens;
  }

  Token current() {
    return tokens.get(at);
  }

  /** The token after the current one. */
  Token look() {
    return tokens.get(Math.min(at + 1, tokens.size() - 1));
  }

  Token next() {
    Token token = current();
    at = Math.min(at + 1, tokens.size() - 1);
    return token;
  }

  int line() {
    return current().line();
  }

  boolean skipOperator(String operator) {
    return skip(current().isOperator(operator));
  }

  boolean skipName(String name) {
    return skip(current().isName(name));
  }

  private boolean skip(boolean matches) {
    if (matches) {
      next();
    }
    return matches;
  }

  Token expect(Type type) {
    return expect(current().type() == type, new Token(type, type.name(), 0).description());
  }

  Token expectName(String name) {
    return expect(current().isName(name), "'" + name + "'");
  }

  Token expectOperator(String operator) {
    return expect(current().isOperator(operator), "'" + operator + "'");
  }

  private Token expect(boolean matches, String expected) {
    if (!matches) {
      throw error("expected " + expected + ", got " + current().description());
    }
    return next();
  }

  TemplateError error(String message) {
    return new TemplateError(Kind.SYNTAX, message, line());
  }
}
