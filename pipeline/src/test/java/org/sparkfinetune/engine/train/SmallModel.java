package org.sparkfinetune.engine.train;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Random;
import java.util.TreeMap;
import java.util.function.Consumer;
import org.sparkfinetune.config.Parallelism.ShardingStrategy;
import org.sparkfinetune.config.TrainConfig.Regularization;
import org.sparkfinetune.data.tokenize.PackedRows.PackedRow;
import org.sparkfinetune.engine.exchange.ExchangeSettings;
import org.sparkfinetune.engine.exchange.InProcessGroup;
import org.sparkfinetune.engine.exchange.ProcessGroup;
import org.sparkfinetune.engine.fsdp.AdamMoments;
import org.sparkfinetune.engine.fsdp.WeightSource;
import org.sparkfinetune.engine.fsdp.WeightSource.PlainType;
import org.sparkfinetune.engine.tensor.LayerInputs.LayerKeep;
import org.sparkfinetune.engine.tensor.Torch;
import org.sparkfinetune.engine.train.ModelRecipe.Precision;
import org.sparkfinetune.engine.train.ModelRecipe.Sharding;
import org.sparkfinetune.engine.train.StepSchedule.StepRow;
import org.sparkfinetune.model.family.DecoderConfig;
import org.sparkfinetune.model.safetensors.NamedShape;

/** A model with drawn weights, run by the trainer and by {@link NaiveDecoder}. */
record SmallModel(
    DecoderConfig config,
    ModelGroups.Method method,
    double loraScale,
    double dropout,
    Map<String, float[]> weights) {

  /** Loss and gradients of one step. */
  record Numbers(double loss, double gradNorm, Map<String, float[]> gradients) {}

  static SmallModel draw(
      DecoderConfig config,
      ModelGroups.Method method,
      double loraScale,
      double dropout,
      Random random) {
    Map<String, float[]> weights = new LinkedHashMap<>();
    for (ModelGroups.Group group : ModelGroups.of(config, method)) {
      List<NamedShape> shapes = new ArrayList<>(group.plain());
      shapes.addAll(group.trained());
      for (NamedShape shape : shapes) {
        weights.put(shape.name(), draw(shape, random));
      }
    }
    return new SmallModel(config, method, loraScale, dropout, weights);
  }

  private static float[] draw(NamedShape shape, Random random) {
    float[] values = new float[(int) shape.elements()];
    boolean norm = shape.name().contains("norm");
    double width = shape.shape().size() == 1 ? 0.2 : 1 / Math.sqrt(shape.dimensions()[1]);
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) ((norm ? 1 : 0) + width * random.nextGaussian());
    }
    return values;
  }

  /** The trainer's, on one rank. */
  Numbers ours(Torch torch, List<PackedRow> rows, Path scratch) {
    WeightSource source =
        (name, first, out, count) ->
            System.arraycopy(weights.get(name), (int) first, out, 0, count);
    ProcessGroup exchange = InProcessGroup.group(1, ExchangeSettings.defaults()).get(0);
    try (exchange;
        RankModel model =
            RankModel.load(recipe(), torch, exchange, source, source, scratch, Optional.empty())) {
      model.weights().trainable().forEach(group -> group.publish(0));
      TrainingStep.Outcome outcome = GoldenRun.trainingStep(model).run(1, batches(rows));
      Map<String, float[]> gradients = new TreeMap<>();
      ModelNumbers.gradients(model, gradients);
      return new Numbers(outcome.loss(), outcome.gradNorm(), gradients);
    }
  }

  private ModelRecipe recipe() {
    return new ModelRecipe(
        config,
        method,
        dropout,
        7,
        1,
        Precision.FLOAT32,
        PlainType.FLOAT32,
        TokenBatch.Attention.WITHIN_SAMPLES,
        LayerKeep.NOTHING,
        ModelRecipe.Inputs.IN_MEMORY,
        OptionalLong.empty(),
        new Sharding(ShardingStrategy.FULL_SHARD, Sharding.Prefetch.NEXT_LAYER),
        0,
        Regularization.NONE,
        AdamMoments.Type.FLOAT32,
        0);
  }

  private static List<TokenBatch> batches(List<PackedRow> rows) {
    List<StepRow> own = new ArrayList<>();
    for (int i = 0; i < rows.size(); i++) {
      own.add(new StepRow(rows.get(i), i));
    }
    return TokenBatch.of(own, 30, TokenBatch.Attention.WITHIN_SAMPLES);
  }

  /** The naive model with {@code step} times a direction added to some weights. */
  double naiveLoss(
      List<PackedRow> rows,
      Map<String, double[]> direction,
      double step,
      Consumer<NaiveDecoder> dropout) {
    Map<String, double[]> moved = new LinkedHashMap<>();
    weights.forEach(
        (name, values) -> {
          double[] at = new double[values.length];
          double[] along = direction.getOrDefault(name, new double[values.length]);
          Arrays.setAll(at, i -> values[i] + step * along[i]);
          moved.put(name, at);
        });
    NaiveDecoder naive = new NaiveDecoder(config, moved, loraScale);
    dropout.accept(naive);
    if (method instanceof ModelGroups.Method.Lora lora) {
      naive.tokens(lora.targets().tokens());
    }
    weights.keySet().stream()
        .filter(name -> name.endsWith(".lora_magnitude_vector"))
        .map(name -> name.substring(0, name.lastIndexOf('.')))
        .forEach(module -> naive.lengths(module, lengths(module)));
    return naive.loss(rows);
  }

  /** Of the rows of {@code W + scale B A} of the weights as they are, for gradients stop there. */
  private double[] lengths(String module) {
    float[] w = weights.get(module + ".weight");
    float[] a = weights.get(module + ".lora_A.weight");
    float[] b = weights.get(module + ".lora_B.weight");
    int out = weights.get(module + ".lora_magnitude_vector").length;
    int in = w.length / out;
    int r = b.length / out;
    double[] lengths = new double[out];
    for (int row = 0; row < out; row++) {
      for (int column = 0; column < in; column++) {
        double sum = w[row * in + column];
        for (int k = 0; k < r; k++) {
          sum += loraScale * b[row * r + k] * a[k * in + column];
        }
        lengths[row] += sum * sum;
      }
      lengths[row] = Math.sqrt(lengths[row]);
    }
    return lengths;
  }

  /** The loss's derivative along a direction, by central differences. */
  double naiveSlope(
      List<PackedRow> rows, Map<String, double[]> direction, Consumer<NaiveDecoder> dropout) {
    double h = 1e-5;
    double above = naiveLoss(rows, direction, h, dropout);
    return (above - naiveLoss(rows, direction, -h, dropout)) / (2 * h);
  }

  static double dot(float[] gradient, double[] direction) {
    double sum = 0;
    for (int i = 0; i < gradient.length; i++) {
      sum += gradient[i] * direction[i];
    }
    return sum;
  }

  static PackedRow row(int length, int vocabulary, Random random) {
    int[] ids = random.ints(length, 0, vocabulary).toArray();
    int[] labels = ids.clone();
    int[] positions = new int[length];
    int[] segments = new int[length];
    for (int t = 1; t < length; t++) {
      boolean begins = random.nextInt(5) == 0;
      segments[t] = segments[t - 1] + (begins ? 1 : 0);
      positions[t] = begins ? 0 : positions[t - 1] + 1;
      labels[t] = begins || random.nextInt(3) == 0 ? PackedRow.NOT_TRAINED : ids[t];
    }
    segments[1] = segments[0];
    positions[1] = 1;
    labels[1] = ids[1];
    for (int t = 2; t < length; t++) {
      positions[t] = segments[t] == segments[t - 1] ? positions[t - 1] + 1 : 0;
    }
    return new PackedRow(ids, labels, positions, segments);
  }
}
