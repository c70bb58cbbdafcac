package org.sparkfinetune.engine.tensor;

import static org.sparkfinetune.engine.tensor.Torch.value;
import static org.sparkfinetune.engine.tensor.Torch.values;

import ai.djl.pytorch.jni.IValue;
import java.nio.ByteBuffer;
import java.util.List;
import org.sparkfinetune.engine.tensor.LayerInputs.LayerKeep;

/**
 * A layer with experts in the place of its MLP, in the parts that {@code scripts.py} has of it.
 * Letters: M tokens of all batches, H hidden, I an expert's intermediate size, E experts of the
 * layer, K of a token.
 */
public final class ExpertOps {
  private final Torch torch;

  ExpertOps(Torch torch) {
    this.torch = torch;
  }

  /**
   * x (N, H) through attention.
   *
   * @return the residual and the experts' input, both (N, H), then what {@code keep} says of
   *     attention; of experts nothing is kept
   */
  public List<Tensor> attentionHalf(Scope scope, Tensor x, LayerInputs inputs, LayerKeep keep) {
    return torch.tensors(
        scope,
        "attention_half",
        inputs.arguments(List.of(value(x)), IValue.from((long) keep.ordinal())));
  }

  /**
   * @param dInput gradient of the experts' input (N, H)
   * @param kept what {@link #attentionHalf} kept
   * @return dx (N, H), then float32 gradients of A, B of the seven linears
   */
  public List<Tensor> attentionHalfBackward(
      Scope scope, Tensor dy, Tensor dInput, Tensor x, List<Tensor> kept, LayerInputs inputs) {
    return torch.tensors(
        scope,
        "attention_half_backward",
        inputs.arguments(
            List.of(value(dy), value(dInput), value(x), values(kept)), IValue.from(false)));
  }

  /** {@code x + factor * y}. */
  public Tensor branch(Scope scope, Tensor x, Tensor y, double factor) {
    return torch.tensor(scope, "branch", value(x), value(y), IValue.from(factor));
  }

  /**
   * How a router works.
   *
   * @param weight (E, H)
   * @param share whether a token's K weights are divided by their sum
   */
  public record Router(Tensor weight, int perToken, boolean share) {}

  /**
   * Which experts compute which tokens.
   *
   * @param probabilities (M, E) float32
   * @param experts (M, K) int64
   * @param weights (M, K), what results are multiplied with
   * @param order (M K) int64: token times K plus place, by expert, then by token
   * @param counts tokens of each expert
   * @param sums of each expert's probabilities
   */
  @SuppressWarnings("ArrayRecordComponent")
  public record Routes(
      Tensor probabilities,
      Tensor experts,
      Tensor weights,
      Tensor order,
      long[] counts,
      double[] sums) {}

  /**
   * @param n the experts' input (M, H), M at least 1
   */
  public Routes route(Scope scope, Tensor n, Router router) {
    List<Tensor> out =
        torch.tensors(
            scope,
            "route",
            value(n),
            value(router.weight()),
            IValue.from((long) router.perToken()),
            IValue.from(router.share()));
    HostMemory host = new HostMemory(torch);
    ByteBuffer counts = host.toHost(scope, out.get(4)).bytes();
    ByteBuffer sums = host.toHost(scope, out.get(5)).bytes();
    int experts = Math.toIntExact(out.get(4).elements());
    long[] tokens = new long[experts];
    double[] probabilities = new double[experts];
    counts.asLongBuffer().get(tokens);
    sums.asDoubleBuffer().get(probabilities);
    return new Routes(out.get(0), out.get(1), out.get(2), out.get(3), tokens, probabilities);
  }

  /**
   * {@code dn += } what comes through the router.
   *
   * @param dn (M, H)
   * @param dWeights (M K) float32
   * @param balance (E) float32, added to the gradient of every token's probabilities; may be empty
   */
  public void routeBackward(
      Scope scope, Tensor dn, Tensor dWeights, Routes routes, Router router, Tensor balance) {
    torch
        .tensor(
            scope,
            "route_backward",
            value(dn),
            value(dWeights),
            value(routes.probabilities()),
            value(routes.experts()),
            value(router.weight()),
            IValue.from(router.share()),
            value(balance))
        .close();
  }

  /**
   * One expert and its tokens.
   *
   * @param weights gate and up (I, H), and down (H, I)
   * @param first of its tokens in {@link Routes#order}
   * @param rows of its products, at least {@code count}
   * @param activation as in {@link LayerInputs.Arithmetic#activation}
   */
  public record Expert(List<Tensor> weights, long first, long count, long rows, int activation) {}

  /** {@code out += } weights times the expert's results; out and n (M, H). */
  public void expert(Scope scope, Tensor out, Tensor n, Routes routes, Expert expert) {
    torch.tensor(scope, "expert", arguments(List.of(value(out)), n, routes, expert)).close();
  }

  /**
   * {@code dn += } what comes through the expert; sets its tokens' {@code dWeights}.
   *
   * @param dOut gradient of what {@link #expert} adds to, (M, H)
   */
  public void expertBackward(
      Scope scope,
      Tensor dn,
      Tensor dWeights,
      Tensor dOut,
      Tensor n,
      Routes routes,
      Expert expert) {
    List<IValue> before = List.of(value(dn), value(dWeights), value(dOut));
    torch.tensor(scope, "expert_backward", arguments(before, n, routes, expert)).close();
  }

  private static IValue[] arguments(List<IValue> before, Tensor n, Routes routes, Expert expert) {
    List<IValue> all = new java.util.ArrayList<>(before);
    all.add(value(n));
    all.add(value(routes.weights()));
    all.add(value(routes.order()));
    all.add(IValue.from(expert.first()));
    all.add(IValue.from(expert.count()));
    all.add(IValue.from(expert.rows()));
    expert.weights().forEach(weight -> all.add(value(weight)));
    all.add(IValue.from((long) expert.activation()));
    return all.toArray(IValue[]::new);
  }
}
