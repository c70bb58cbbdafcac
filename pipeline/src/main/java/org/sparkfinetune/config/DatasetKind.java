package org.sparkfinetune.config;

/** {@code dataset}: which converter turns a row into a conversation. */
public enum DatasetKind implements Spelled {
  SQL_CREATE_CONTEXT("sql-create-context"),
  NO_ROBOTS("no_robots"),
  /** OpenAI's shape: {@code messages} of role and content. */
  MESSAGES("messages"),
  /** {@code conversations} of from and value. */
  SHAREGPT("sharegpt"),
  /** instruction, input, output. */
  ALPACA("alpaca"),
  /** prompt, completion. */
  INSTRUCTION("instruction"),
  /** Columns put into messages by {@code template}. */
  TEMPLATE("template");

  private final String text;

  DatasetKind(String text) {
    this.text = text;
  }

  @Override
  public String text() {
    return text;
  }
}
