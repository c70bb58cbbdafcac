package org.sparkfinetune.report;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;
import org.sparkfinetune.report.Page.Html;
import org.sparkfinetune.report.Scale.Numbers;

/**
 * A line chart over optimizer steps as inline SVG. Its text is as large on the page as in the
 * drawing when the chart is 360 px wide, what a phone shows.
 *
 * @param marks steps at which a new attempt began, as dashed lines
 */
public record LineChart(String title, List<Series> series, List<Long> marks) {
  private static final int WIDTH = 360;
  private static final int HEIGHT = 200;
  private static final int LEFT = 46;
  private static final int RIGHT = 352;
  private static final int TOP = 8;
  private static final int BOTTOM = 178;

  /** More would be several to a pixel: of such a group the least and the greatest are drawn. */
  private static final int MOST_GROUPS = 300;

  /** Two curves tell apart by colour and by dots. */
  public enum Ink {
    ONE,
    TWO;

    String css() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  /** A value after a step. */
  public record Point(long step, double value) {}

  /** One curve; points that are not finite leave a gap. */
  public record Series(String name, Ink ink, List<Point> points) {}

  /** An HTML figure. */
  public String svg() {
    Scale x = Scale.of(points().mapToDouble(Point::step));
    Scale y = Scale.of(points().mapToDouble(Point::value));
    StringBuilder svg = new StringBuilder("<figure><figcaption>");
    caption(svg);
    svg.append(
        "</figcaption>\n<svg viewBox=\"0 0 %s %s\" role=\"img\" aria-label=\"%s\">\n"
            .formatted(WIDTH, HEIGHT, Html.escaped(title)));
    axes(svg, x, y);
    for (long mark : marks) {
      String at = at(x(x, mark));
      svg.append(
          "<line class=\"mark\" x1=\"%s\" x2=\"%s\" y1=\"%s\" y2=\"%s\"/>\n"
              .formatted(at, at, TOP, BOTTOM));
    }
    series.forEach(one -> curve(svg, one, x, y));
    return svg.append("</svg></figure>\n").toString();
  }

  private Stream<Point> points() {
    return series.stream().flatMap(one -> one.points().stream());
  }

  private void caption(StringBuilder svg) {
    svg.append(Html.escaped(title));
    for (Series one : series) {
      if (!one.points().isEmpty()) {
        double last = one.points().get(one.points().size() - 1).value();
        svg.append(
            " <span class=\"key %s\">● %s %s</span>"
                .formatted(
                    one.ink().css(), Html.escaped(one.name()), Html.escaped(Numbers.figure(last))));
      }
    }
  }

  private static void axes(StringBuilder svg, Scale x, Scale y) {
    for (double tick : y.ticks()) {
      String at = at(y(y, tick));
      svg.append(
          "<line class=\"grid\" x1=\"%s\" x2=\"%s\" y1=\"%s\" y2=\"%s\"/>"
              .formatted(LEFT, RIGHT, at, at));
      svg.append(
          "<text x=\"%s\" y=\"%s\" text-anchor=\"end\">%s</text>\n"
              .formatted(LEFT - 4, at(y(y, tick) + 4), y.label(tick)));
    }
    for (double tick : x.ticks()) {
      if (tick == Math.rint(tick)) {
        svg.append(
            "<text x=\"%s\" y=\"%s\" text-anchor=\"%s\">%s</text>\n"
                .formatted(
                    at(x(x, tick)),
                    BOTTOM + 16,
                    tick == x.high() ? "end" : "middle",
                    x.label(tick)));
      }
    }
  }

  private static void curve(StringBuilder svg, Series one, Scale x, Scale y) {
    svg.append("<g class=\"%s\">".formatted(one.ink().css()));
    for (List<Point> piece : pieces(thinned(one.points()))) {
      svg.append("<polyline points=\"");
      piece.forEach(p -> svg.append("%s,%s ".formatted(at(x(x, p.step())), at(y(y, p.value())))));
      svg.append("\"/>");
      if (one.ink() == Ink.TWO || piece.size() == 1) {
        piece.forEach(
            p ->
                svg.append(
                    "<circle cx=\"%s\" cy=\"%s\" r=\"3\"/>"
                        .formatted(at(x(x, p.step())), at(y(y, p.value())))));
      }
    }
    svg.append("</g>\n");
  }

  /** Runs of finite points. */
  private static List<List<Point>> pieces(List<Point> points) {
    List<List<Point>> pieces = new ArrayList<>();
    boolean open = false;
    for (Point point : points) {
      if (!Double.isFinite(point.value())) {
        open = false;
        continue;
      }
      if (!open) {
        pieces.add(new ArrayList<>());
        open = true;
      }
      pieces.get(pieces.size() - 1).add(point);
    }
    return pieces;
  }

  static List<Point> thinned(List<Point> points) {
    if (points.size() <= 2 * MOST_GROUPS) {
      return points;
    }
    List<Point> kept = new ArrayList<>();
    for (int group = 0; group < MOST_GROUPS; group++) {
      int from = (int) ((long) points.size() * group / MOST_GROUPS);
      int to = (int) ((long) points.size() * (group + 1) / MOST_GROUPS);
      int least = from;
      int most = from;
      for (int i = from; i < to; i++) {
        double value = points.get(i).value();
        if (!Double.isFinite(value)) {
          // One hole in a group is worth more than its extremes.
          least = i;
          most = i;
          break;
        }
        least = value < points.get(least).value() ? i : least;
        most = value > points.get(most).value() ? i : most;
      }
      kept.add(points.get(Math.min(least, most)));
      if (least != most) {
        kept.add(points.get(Math.max(least, most)));
      }
    }
    return kept;
  }

  private static double x(Scale scale, double value) {
    return LEFT + scale.share(value) * (RIGHT - LEFT);
  }

  private static double y(Scale scale, double value) {
    return BOTTOM - scale.share(value) * (BOTTOM - TOP);
  }

  private static String at(double place) {
    return String.format(Locale.ROOT, "%.1f", place);
  }

  /** Whether there is anything to draw. */
  public boolean isEmpty() {
    return points().mapToDouble(Point::value).filter(Double::isFinite).findAny().isEmpty();
  }
}
