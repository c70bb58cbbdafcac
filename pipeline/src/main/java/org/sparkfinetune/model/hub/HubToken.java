package org.sparkfinetune.model.hub;

/** A secret: it never shows in a log, a message or a file. */
final class HubToken {
  private final String secret;

  HubToken(String secret) {
    this.secret = secret;
  }

  String header() {
    return "Bearer " + secret;
  }

  @Override
  public String toString() {
    return "(a token)";
  }
}
