package org.sparkfinetune.data.jinja;

import java.util.OptionalInt;

/**
 * A template that cannot be parsed, or that failed while it was rendered. {@link #kind()} is the
 * class of the error that Python raises for the same template.
 */
public final class TemplateError extends RuntimeException {
  private static final long serialVersionUID = 1L;

  private final Kind kind;
  private final int line;

  TemplateError(Kind kind, String message) {
    this(kind, message, 0);
  }

  TemplateError(Kind kind, String message, int line) {
    super(message);
    this.kind = kind;
    this.line = line;
  }

  static TemplateError type(String message) {
    return new TemplateError(Kind.TYPE, message);
  }

  static TemplateError value(String message) {
    return new TemplateError(Kind.VALUE, message);
  }

  /** This error with a line, if it has none yet: the innermost statement knows best. */
  TemplateError at(int newLine) {
    if (line > 0) {
      return this;
    }
    TemplateError located = new TemplateError(kind, String.valueOf(getMessage()), newLine);
    located.setStackTrace(getStackTrace());
    return located;
  }

  public Kind kind() {
    return kind;
  }

  /** 1-based line of the template, where it is known. */
  public OptionalInt line() {
    return line > 0 ? OptionalInt.of(line) : OptionalInt.empty();
  }

  /** Python's classes of errors, and what this engine adds to them. */
  public enum Kind {
    SYNTAX("TemplateSyntaxError"),
    /** An unknown filter or test where jinja2 says so at once. */
    ASSERTION("TemplateAssertionError"),
    FILTER_ARGUMENT("FilterArgumentError"),
    RUNTIME("TemplateRuntimeError"),
    /** {@code raise_exception}: the template refuses its input. */
    RAISED("TemplateError"),
    UNDEFINED("UndefinedError"),
    SECURITY("SecurityError"),
    TYPE("TypeError"),
    VALUE("ValueError"),
    KEY("KeyError"),
    INDEX("IndexError"),
    ATTRIBUTE("AttributeError"),
    ZERO_DIVISION("ZeroDivisionError"),
    OVERFLOW("OverflowError"),
    RECURSION("RecursionError"),
    /** More steps, or a larger text, than any chat template needs. */
    LIMIT("LimitError"),
    /** Part of jinja2, but not of this engine. */
    UNSUPPORTED("NotImplementedError");

    private final String python;

    Kind(String python) {
      this.python = python;
    }

    /** The name of the class in Python. */
    public String python() {
      return python;
    }
  }
}
