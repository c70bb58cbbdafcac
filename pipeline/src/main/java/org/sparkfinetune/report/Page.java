package org.sparkfinetune.report;

/**
 * Builds one page. Text given to {@link #text} and the cells is escaped; {@link #raw} is for markup
 * made here.
 */
public final class Page {
  private static final String STYLE =
      """
      :root { color-scheme: light dark; --line: #8884; --bar: #4a7dbd; --soft: #8881;
              --one: light-dark(#2563b0, #7db1f2); --two: light-dark(#b4540a, #f2a65e);
              --three: light-dark(#8a8f98, #6b7078); }
      body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; padding: 1rem; max-width: 52rem; }
      h1 { font-size: 1.4rem; overflow-wrap: anywhere; } h2 { font-size: 1.1rem; margin-top: 2rem; }
      table { border-collapse: collapse; width: 100%; }
      td, th { padding: .25rem .5rem; border-bottom: 1px solid var(--line); text-align: left;
               vertical-align: top; overflow-wrap: anywhere; }
      td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
      .bar { background: var(--bar); height: .8rem; min-width: 1px; }
      th { overflow-wrap: normal; } th.n { white-space: normal; } td.k { overflow-wrap: normal; }
      td.w { width: 45%; } .wide { overflow-x: auto; }
      pre { white-space: pre-wrap; overflow-wrap: anywhere; background: var(--soft); padding: .5rem;
            margin: .25rem 0 .75rem; border-radius: .25rem; font-size: .85rem; }
      mark { background: none; color: var(--one); text-decoration: underline; text-underline-offset: .2em; }
      .role { font-size: .8rem; opacity: .7; }
      details { margin: .5rem 0; } summary { cursor: pointer; overflow-wrap: anywhere; }
      .charts { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 20rem), 1fr)); }
      figure { margin: 0; } figcaption { font-size: .9rem; }
      svg { display: block; width: 100%; height: auto; }
      svg text { font: 11px system-ui, sans-serif; fill: currentColor; }
      .one { --ink: var(--one); } .two { --ink: var(--two); }
      polyline { fill: none; stroke: var(--ink); stroke-width: 1.5; }
      circle { fill: var(--ink); } .key { color: var(--ink); }
      .grid { stroke: var(--line); } .mark { stroke: var(--three); stroke-dasharray: 3 3; }
      """;

  private final StringBuilder html = new StringBuilder();

  /** A page with its title as the first heading. */
  public Page(String title) {
    html.append(
        """
        <!doctype html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <title>%s</title>
        <style>
        %s</style>
        </head>
        <body>
        <h1>%s</h1>
        """
            .formatted(Html.escaped(title), STYLE, Html.escaped(title)));
  }

  /** An element with nothing but text in it. */
  public Page text(String element, String text) {
    html.append('<').append(element).append('>').append(Html.escaped(text));
    html.append("</").append(element).append(">\n");
    return this;
  }

  /** An element within a line, with nothing but text in it. */
  public Page inline(String element, String text) {
    html.append('<').append(element).append('>').append(Html.escaped(text));
    html.append("</").append(element).append('>');
    return this;
  }

  /** A table cell. */
  public Page cell(String text) {
    html.append("<td>").append(Html.escaped(text)).append("</td>");
    return this;
  }

  /** A table cell with the row's name, which is not broken within a word. */
  public Page name(String text) {
    html.append("<td class=\"k\">").append(Html.escaped(text)).append("</td>");
    return this;
  }

  /** A table cell set to the right. */
  public Page number(String text) {
    html.append("<td class=\"n\">").append(Html.escaped(text)).append("</td>");
    return this;
  }

  /** A table cell with a bar in it. */
  public Page bar(double share) {
    double percent = Double.isFinite(share) ? Math.max(0, Math.min(1, share)) * 100 : 0;
    html.append("<td class=\"w\"><div class=\"bar\" style=\"width: ")
        .append(String.format(java.util.Locale.ROOT, "%.1f", percent))
        .append("%\"></div></td>");
    return this;
  }

  /** Markup as it is: never with anything in it that came from outside. */
  public Page raw(String markup) {
    html.append(markup);
    return this;
  }

  /** The page, ended. */
  public String html() {
    return html + "</body>\n</html>\n";
  }

  /** Text made safe for HTML, in elements and in quoted attributes. */
  public static final class Html {
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
}
