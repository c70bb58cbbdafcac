package org.sparkfinetune.inference.generate;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;
import org.sparkfinetune.model.family.Experts;

/** Which columns each expert of a mixture computes; sums as in transformers. */
final class Routing {
  private final List<List<Routed>> columns = new ArrayList<>();

  /** A column that an expert computes, and what its result is multiplied with. */
  record Routed(int column, float weight) {}

  private Routing(int experts) {
    for (int e = 0; e < experts; e++) {
      columns.add(new ArrayList<>());
    }
  }

  /**
   * Of n columns.
   *
   * @param logits the router's (n, experts); become probabilities
   */
  static Routing of(float[] logits, int n, Experts experts, Kernels kernels) {
    Routing routing = new Routing(experts.count());
    for (int column = 0; column < n; column++) {
      int first = column * experts.count();
      softmax(logits, first, experts.count(), kernels);
      List<Integer> chosen =
          IntStream.range(0, experts.count())
              .boxed()
              .sorted(Comparator.comparing(e -> -logits[first + e]))
              .limit(experts.perToken())
              .toList();
      float sum = 0;
      for (int e : chosen) {
        sum += logits[first + e];
      }
      float divisor = experts.weighting() == Experts.Weighting.SHARE ? sum : 1;
      for (int e : chosen) {
        routing.columns.get(e).add(new Routed(column, logits[first + e] / divisor));
      }
    }
    return routing;
  }

  /** Those of an expert, in their order. */
  List<Routed> columns(int expert) {
    return columns.get(expert);
  }

  private static void softmax(float[] x, int from, int count, Kernels kernels) {
    float max = Float.NEGATIVE_INFINITY;
    for (int i = from; i < from + count; i++) {
      max = Math.max(max, x[i]);
    }
    float sum = kernels.exponentials(x, from, count, max);
    for (int i = from; i < from + count; i++) {
      x[i] /= sum;
    }
  }
}
