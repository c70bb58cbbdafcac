package org.sparkfinetune.engine.train;

import java.util.ArrayList;
import java.util.List;
import org.sparkfinetune.engine.tensor.ExpertOps;
import org.sparkfinetune.engine.tensor.ExpertOps.Expert;
import org.sparkfinetune.engine.tensor.ExpertOps.Router;
import org.sparkfinetune.engine.tensor.ExpertOps.Routes;
import org.sparkfinetune.engine.tensor.LayerInputs;
import org.sparkfinetune.engine.tensor.LayerInputs.LayerKeep;
import org.sparkfinetune.engine.tensor.Ops;
import org.sparkfinetune.engine.tensor.Scope;
import org.sparkfinetune.engine.tensor.Tensor;
import org.sparkfinetune.engine.tensor.Tensor.ElementType;
import org.sparkfinetune.engine.train.ModelGroups.ExpertGroup;
import org.sparkfinetune.model.family.DecoderConfig;
import org.sparkfinetune.model.family.DecoderWeights;
import org.sparkfinetune.model.family.Experts;

/**
 * What layers with experts compute in the place of an MLP: {@code y = h + r sum of w_e E_e(n)}, of
 * all batches together, without their padding. A few experts are gathered at a time, once for all
 * of their tokens, and only such as have any. Router and experts are frozen; what goes back through
 * both reaches their input. Nothing is kept of them: backward routes and computes again.
 */
final class ExpertLayers {
  /** The residual among what is kept of attention. */
  private static final int RESIDUAL = 5;

  /** The norm before the MLP among a layer's weights. */
  private static final int NORM = 5;

  private final Ops ops;
  private final ExpertOps expertOps;
  private final DecoderConfig config;
  private final Weights weights;
  private final RouterBalance balance;

  ExpertLayers(Ops ops, DecoderConfig config, Weights weights, RouterBalance balance) {
    this.ops = ops;
    this.expertOps = ops.experts();
    this.config = config;
    this.weights = weights;
    this.balance = balance;
  }

  /**
   * Attention of one batch.
   *
   * @param h the residual (N, H)
   * @param n the experts' input (N, H)
   * @param rest what is kept of attention
   */
  record Half(Tensor h, Tensor n, List<Tensor> rest) {
    /** The residual and the experts' input live as long as {@code scope}. */
    Half in(Scope scope) {
      return new Half(h.moveTo(scope), n.moveTo(scope), rest);
    }
  }

  Half attention(Scope scope, Tensor x, LayerInputs inputs, LayerKeep keep) {
    List<Tensor> out = expertOps.attentionHalf(scope, x, inputs, keep);
    return new Half(out.get(0), out.get(1), out.subList(2, out.size()));
  }

  /** The same from what was kept of attention, without that. */
  Half half(Scope scope, List<Tensor> kept, LayerInputs inputs) {
    Tensor h = kept.get(RESIDUAL);
    Tensor n =
        ops.rmsNorm(
            scope,
            h,
            inputs.weights().get(NORM),
            config.rmsNormEps(),
            config.family().normWeight().ordinal());
    return new Half(h, n, List.of());
  }

  /**
   * dx of one batch, then gradients as a layer's backward gives them.
   *
   * @param dInput gradient of the experts' input
   */
  List<Tensor> attentionBackward(
      Scope scope, Tensor dy, Tensor dInput, Tensor x, List<Tensor> kept, LayerInputs inputs) {
    return expertOps.attentionHalfBackward(scope, dy, dInput, x, kept, inputs);
  }

  /**
   * Of each batch the layer's output (N, H), in the compute type; nothing without halves.
   *
   * @param counted whether the router's choices count for the step's balance
   */
  List<Tensor> forward(
      Scope scope,
      int layer,
      Weights.Gathered gathered,
      List<TokenBatch> batches,
      List<Half> halves,
      boolean counted) {
    if (halves.isEmpty()) {
      return List.of();
    }
    try (Scope local = scope.child()) {
      Tensor n = joined(local, batches, halves.stream().map(Half::n).toList());
      Routes routes = expertOps.route(local, n, router(layer, gathered));
      if (counted) {
        balance.add(routes, n.size(0));
      }
      Tensor out = ops.zeros(local, n.type(), n.shape());
      forEachExpert(
          layer,
          routes,
          expert -> {
            try (Scope one = local.child()) {
              expertOps.expert(one, out, n, routes, expert);
            }
          });
      List<Tensor> parts = parted(local, batches, out);
      List<Tensor> y = new ArrayList<>();
      for (int i = 0; i < parts.size(); i++) {
        y.add(expertOps.branch(scope, halves.get(i).h(), parts.get(i), residual()));
      }
      return y;
    }
  }

  /** Of each batch the gradient of the experts' input (N, H). */
  List<Tensor> backward(
      Scope scope,
      int layer,
      Weights.Gathered gathered,
      List<TokenBatch> batches,
      List<Tensor> inputs,
      List<Tensor> dy) {
    if (batches.isEmpty()) {
      return List.of();
    }
    try (Scope local = scope.child()) {
      Tensor n = joined(local, batches, inputs);
      Tensor dOut = ops.times(local, joined(local, batches, dy), residual());
      Router router = router(layer, gathered);
      Routes routes = expertOps.route(local, n, router);
      Tensor dn = ops.zeros(local, n.type(), n.shape());
      Tensor dWeights = ops.zeros(local, ElementType.FLOAT32, routes.order().elements());
      forEachExpert(
          layer,
          routes,
          expert -> {
            try (Scope one = local.child()) {
              expertOps.expertBackward(one, dn, dWeights, dOut, n, routes, expert);
            }
          });
      expertOps.routeBackward(local, dn, dWeights, routes, router, balance.gradient(ops, local));
      List<Tensor> parts = parted(local, batches, dn);
      parts.forEach(part -> part.moveTo(scope));
      return parts;
    }
  }

  private double residual() {
    return config.family().scales().residual();
  }

  private Router router(int layer, Weights.Gathered gathered) {
    Experts experts = config.experts();
    return new Router(
        gathered.tensor(DecoderWeights.router(config, layer).orElseThrow().name()),
        experts.perToken(),
        experts.weighting() == Experts.Weighting.SHARE);
  }

  private interface Work {
    void accept(Expert expert);
  }

  /** Groups are asked for one ahead. */
  private void forEachExpert(int layer, Routes routes, Work work) {
    List<ExpertGroup> used =
        ModelGroups.experts(config, layer).stream().filter(g -> tokens(g, routes) > 0).toList();
    long first = 0;
    for (int i = 0; i < used.size(); i++) {
      ExpertGroup group = used.get(i);
      weights.prefetch(group.name(), 0);
      List<List<Tensor>> gathered = weights.experts(group);
      if (i + 1 < used.size()) {
        weights.prefetch(used.get(i + 1).name(), 0);
      }
      for (int expert = 0; expert < group.count(); expert++) {
        int count = Math.toIntExact(routes.counts()[group.first() + expert]);
        if (count > 0) {
          work.accept(
              new Expert(
                  gathered.get(expert),
                  first,
                  count,
                  BufferSizes.padded(count),
                  config.family().activation().ordinal()));
        }
        first += count;
      }
    }
  }

  private static long tokens(ExpertGroup group, Routes routes) {
    long tokens = 0;
    for (int expert = 0; expert < group.count(); expert++) {
      tokens += routes.counts()[group.first() + expert];
    }
    return tokens;
  }

  /** Rows of all batches' tokens behind each other (M, H). */
  private Tensor joined(Scope scope, List<TokenBatch> batches, List<Tensor> each) {
    List<Tensor> rows = new ArrayList<>();
    for (int i = 0; i < each.size(); i++) {
      Tensor flat = ops.flat(scope, each.get(i));
      rows.add(ops.view(scope, flat, 0, batches.get(i).tokens(), config.hiddenSize()));
    }
    return ops.concat(scope, rows);
  }

  /** The opposite, with zeros for padding (N, H). */
  private List<Tensor> parted(Scope scope, List<TokenBatch> batches, Tensor all) {
    Tensor flat = ops.flat(scope, all);
    List<Tensor> parts = new ArrayList<>();
    long first = 0;
    for (TokenBatch batch : batches) {
      long start = first * config.hiddenSize();
      Tensor own = ops.view(scope, flat, start, batch.tokens(), config.hiddenSize());
      parts.add(ops.padRows(scope, own, batch.length()));
      first += batch.tokens();
    }
    return parts;
  }
}
