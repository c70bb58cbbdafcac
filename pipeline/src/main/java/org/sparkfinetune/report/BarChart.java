package org.sparkfinetune.report;

import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import org.sparkfinetune.report.Page.Html;
import org.sparkfinetune.report.Scale.Numbers;

/**
 * Horizontal bars with their names and numbers as inline SVG.
 *
 * @param bars in their order
 */
public record BarChart(String title, Map<String, Long> bars) {
  private static final int ROW = 18;
  private static final int LEFT = 90;
  private static final int WIDEST = 220;

  public BarChart {
    bars = new LinkedHashMap<>(bars);
  }

  /** An HTML figure. */
  public String svg() {
    long most = Math.max(1, bars.values().stream().mapToLong(Long::longValue).max().orElse(1));
    StringBuilder svg = new StringBuilder("<figure><figcaption>");
    svg.append(Html.escaped(title)).append("</figcaption>\n<svg viewBox=\"0 0 360 ");
    svg.append(ROW * bars.size() + 4).append("\" role=\"img\">\n");
    int y = 0;
    for (Map.Entry<String, Long> bar : bars.entrySet()) {
      double width = (double) WIDEST * bar.getValue() / most;
      svg.append(
          String.format(
              Locale.ROOT,
              "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%s</text>"
                  + "<rect x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"12\" fill=\"#4a7dbd\"/>"
                  + "<text x=\"%.1f\" y=\"%d\">%s</text>\n",
              LEFT - 6,
              y + 13,
              Html.escaped(bar.getKey()),
              LEFT,
              y + 3,
              width,
              LEFT + width + 4,
              y + 13,
              Numbers.grouped(bar.getValue())));
      y += ROW;
    }
    return svg.append("</svg></figure>\n").toString();
  }
}
