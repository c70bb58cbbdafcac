package org.sparkfinetune.report;

/** Text made safe for HTML, in elements and in quoted attributes. */
public final class Html {
  private Html() {}

  /** {@code text} as a browser has to be told it. */
  public static String escaped(String text) {
    return text.replace("&", "&amp;")
        .replace("<", "&lt;")
        .replace(">", "&gt;")
        .replace("\"", "&quot;")
        .replace("'", "&#39;")
        .replace("\0", "\uFFFD");
  }
}
