package org.sparkfinetune.report;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class ChartsTest {
  @Test
  void of_many_points_the_extremes_are_drawn() {
    List<LineChart.Point> points =
        IntStream.range(0, 100_000)
            .mapToObj(i -> new LineChart.Point(i, i == 50_001 ? 9 : i == 70_001 ? -9 : 0))
            .toList();
    List<LineChart.Point> thinned = LineChart.thinned(points);
    assertThat(thinned).hasSizeLessThanOrEqualTo(600);
    assertThat(thinned).extracting(LineChart.Point::value).contains(9.0, -9.0);
  }

  @Test
  void an_axis_holds_its_values_between_round_numbers() {
    for (double[] values :
        List.of(
            new double[] {0.2, 8.3},
            new double[] {2e-4, 2e-4},
            new double[] {0, 0},
            new double[] {-3, 1e9},
            new double[] {1.000001, 1.000002},
            new double[] {Double.NaN})) {
      Scale scale = Scale.of(java.util.Arrays.stream(values));
      assertThat(scale.high()).isGreaterThan(scale.low());
      assertThat(scale.ticks()).hasSizeBetween(2, 8);
      for (double value : values) {
        if (Double.isFinite(value)) {
          assertThat(scale.share(value)).isBetween(-1e-6, 1 + 1e-6);
        }
      }
    }
    assertThat(Scale.of(java.util.stream.DoubleStream.of(0.2, 8.3)).ticks())
        .containsExactly(0.0, 2.0, 4.0, 6.0, 8.0, 10.0);
  }

  @Test
  void bars_are_as_long_as_their_numbers_and_names_are_escaped() {
    Map<String, Long> bars = new LinkedHashMap<>();
    bars.put("<b>", 50L);
    bars.put("all", 100L);
    String svg = new BarChart("Rows & more", bars).svg();
    assertThat(svg).contains("Rows &amp; more", "&lt;b&gt;", "width=\"110.0\"", "width=\"220.0\"");
    assertThat(new BarChart("none", Map.of()).svg()).contains("<svg");
  }
}
