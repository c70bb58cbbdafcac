package org.sparkfinetune.engine.train;

import java.util.Arrays;
import java.util.List;
import java.util.OptionalInt;
import java.util.function.IntUnaryOperator;
import java.util.stream.IntStream;
import org.sparkfinetune.engine.tensor.Ops;
import org.sparkfinetune.engine.tensor.Scope;
import org.sparkfinetune.engine.tensor.Tensor;
import org.sparkfinetune.engine.tensor.Tensor.ElementType;
import org.sparkfinetune.engine.train.ModelRecipe.Precision;
import org.sparkfinetune.model.family.DecoderConfig;
import org.sparkfinetune.model.family.DecoderWeights;
import org.sparkfinetune.model.peft.LoraTargets;
import org.sparkfinetune.model.safetensors.Floats;
import org.sparkfinetune.model.safetensors.NamedShape;

/** Token embeddings. Of a frozen table only the rows of the batch's tokens are read. */
final class EmbeddingTable {
  private final Ops ops;
  private final Precision precision;
  private final Weights weights;
  private final NamedShape table;
  private final double scale;
  private final OptionalInt padding;

  EmbeddingTable(Ops ops, Precision precision, Weights weights, DecoderConfig config) {
    this.ops = ops;
    this.precision = precision;
    this.weights = weights;
    this.table = DecoderWeights.embedTokens(config);
    this.scale = scale(config, precision);
    this.padding = config.padding();
  }

  /** Rounded to the type of the embeddings, as Gemma's. */
  private static double scale(DecoderConfig config, Precision precision) {
    float scale = (float) config.family().scales().embedding();
    return precision.stored() == ElementType.BFLOAT16
        ? Floats.bf16ToFloat(Floats.floatToBf16(scale))
        : scale;
  }

  /** (N, H) in the compute type. */
  Tensor lookUp(Scope scope, TokenBatch batch, long version) {
    try (Scope local = scope.child()) {
      Tensor rows = ops.times(local, rows(local, batch, version), scale);
      return ops.padRows(scope, rows, batch.length());
    }
  }

  private Tensor rows(Scope scope, TokenBatch batch, long version) {
    if (weights.trainable(ModelGroups.EMBED).isPresent()) {
      Tensor whole = weights.whole(scope, ModelGroups.EMBED, version).tensor(table.name());
      return ops.selectRows(scope, whole, ops.ofInts(scope, batch.ids()));
    }
    int[] distinct = Arrays.stream(batch.ids()).distinct().sorted().toArray();
    Tensor rows = ops.empty(scope, precision.compute(), distinct.length, table.dimensions()[1]);
    weights.frozen().rows(ModelGroups.EMBED, table, distinct, rows);
    weights.tokenRows(scope, version).ifPresent(own -> replace(scope, rows, distinct, own));
    int[] index = Arrays.stream(batch.ids()).map(id -> Arrays.binarySearch(distinct, id)).toArray();
    return ops.selectRows(scope, rows, ops.ofInts(scope, index));
  }

  /** Puts trained rows in the places of the frozen ones. */
  private void replace(Scope scope, Tensor rows, int[] tokens, Weights.TokenRows own) {
    int[] to = own.ids().stream().mapToInt(id -> Arrays.binarySearch(tokens, id)).toArray();
    int[] from = IntStream.range(0, to.length).filter(i -> to[i] >= 0).toArray();
    Tensor places = ops.ofInts(scope, Arrays.stream(to).filter(at -> at >= 0).toArray());
    ops.setRows(scope, rows, places, ops.selectRows(scope, own.rows(), ops.ofInts(scope, from)));
  }

  /** Adds the gradient (N, H) of looked-up rows, if the table is trained, or some of its rows. */
  void backward(Scope scope, Gradients.Flat gradient, TokenBatch batch, Tensor dx) {
    boolean whole = weights.trainable(ModelGroups.EMBED).isPresent();
    List<Integer> tokens = weights.tokens();
    IntUnaryOperator row = id -> whole ? id : tokens.indexOf(id);
    String name = whole ? table.name() : LoraTargets.TOKEN_ROWS;
    int[] ids = batch.ids();
    int[] at =
        IntStream.range(0, ids.length)
            .filter(i -> padding.isEmpty() || ids[i] != padding.getAsInt())
            .filter(i -> row.applyAsInt(ids[i]) >= 0)
            .toArray();
    Tensor own = at.length == ids.length ? dx : ops.selectRows(scope, dx, ops.ofInts(scope, at));
    Tensor rows = ops.ofInts(scope, Arrays.stream(at).map(i -> row.applyAsInt(ids[i])).toArray());
    ops.addRows(scope, gradient.view(scope, name), rows, ops.times(scope, own, scale));
  }
}
