package org.sparkfinetune.engine.fsdp;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.sparkfinetune.engine.exchange.ExchangeSettings;
import org.sparkfinetune.engine.exchange.InProcessGroup;
import org.sparkfinetune.engine.exchange.ProcessGroup;
import org.sparkfinetune.engine.exchange.Shard;
import org.sparkfinetune.engine.fsdp.FrozenReader.Reshard;
import org.sparkfinetune.engine.fsdp.WeightSource.PlainType;
import org.sparkfinetune.engine.tensor.Ops;
import org.sparkfinetune.engine.tensor.Scope;
import org.sparkfinetune.engine.tensor.Tensor;
import org.sparkfinetune.engine.tensor.Tensor.ElementType;
import org.sparkfinetune.engine.tensor.Torch;
import org.sparkfinetune.model.quant.DoubleQuantization;
import org.sparkfinetune.model.quant.Nf4Codec;
import org.sparkfinetune.model.quant.ScalarNf4;
import org.sparkfinetune.model.safetensors.NamedShape;

class ShardFileTest {
  private static final NamedShape Q = NamedShape.of("q", 300, 128);
  private static final NamedShape K = NamedShape.of("k", 7, 50);
  private static final NamedShape NORM = NamedShape.of("norm", 33);

  @TempDir Path folder;

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 8})
  void any_number_of_ranks_gives_the_whole_tensors_quantised_weights(int ranks) throws Exception {
    Map<String, FrozenLayout> groups =
        Map.of("g", new FrozenLayout(List.of(Q, K), List.of(NORM), PlainType.FLOAT32, ranks));
    List<ProcessGroup> group = InProcessGroup.group(ranks, ExchangeSettings.defaults());
    try (Torch torch = Torch.start(1);
        Scope scope = torch.scope();
        Workers workers = new Workers(2)) {
      List<CompletableFuture<Void>> written = new ArrayList<>();
      for (ProcessGroup exchange : group) {
        written.add(
            CompletableFuture.runAsync(
                () -> write(groups, exchange), task -> new Thread(task).start()));
      }
      written.forEach(CompletableFuture::join);
      Ops ops = new Ops(torch);
      ShardPlan plan = new ShardPlan(groups, ShardRanks.all(group.get(0)));
      FrozenReader reader =
          new FrozenReader(
              plan,
              group.get(0),
              WeightDecoder.of(ops, Nf4Codec.fastest(), workers, scope, 0),
              Reshard.AFTER_EACH_USE);
      Map<String, Tensor> out = new TreeMap<>();
      for (NamedShape shape : List.of(Q, K, NORM)) {
        out.put(shape.name(), ops.empty(scope, ElementType.FLOAT32, shape.dimensions()));
      }
      reader.decode("g", reader.fetch("g"), shape -> out.get(shape.name()));
      assertThat(out.get("q").toFloats()).isEqualTo(naive(Q));
      assertThat(out.get("k").toFloats()).isEqualTo(naive(K));
      assertThat(out.get("norm").toFloats()).isEqualTo(values(NORM));
    }
  }

  private void write(Map<String, FrozenLayout> groups, ProcessGroup exchange) {
    ShardPlan plan = new ShardPlan(groups, ShardRanks.all(exchange));
    Path file = folder.resolve("rank-" + exchange.rank());
    WeightSource source =
        (name, first, to, count) -> {
          for (int i = 0; i < count; i++) {
            to[i] = value(name, first + i);
          }
        };
    new ShardWriter(plan, source, exchange, Nf4Codec.fastest()).write(file, 0, done -> {});
    exchange.serve(Shard.file(file));
  }

  private static float value(String name, long index) {
    return (float) (Math.sin(index * 0.37 + name.length()) * (1 + index % 1001) * 1e-3);
  }

  private static float[] values(NamedShape shape) {
    float[] values = new float[(int) shape.elements()];
    for (int i = 0; i < values.length; i++) {
      values[i] = value(shape.name(), i);
    }
    return values;
  }

  /** The whole tensor quantised at once by the scalar codec. */
  private static float[] naive(NamedShape shape) {
    float[] values = values(shape);
    ScalarNf4 codec = new ScalarNf4();
    float[] absmax = new float[Nf4Codec.blocks(values.length)];
    codec.absmax(values, 0, values.length, absmax, 0);
    ByteBuffer packed = ByteBuffer.allocate(absmax.length * Nf4Codec.BLOCK_BYTES);
    codec.encode(values, 0, values.length, absmax, 0, packed);
    float offset =
        DoubleQuantization.offset(DoubleQuantization.sum(absmax, 0, absmax.length), absmax.length);
    ByteBuffer out = ByteBuffer.allocate(values.length * 4).order(ByteOrder.LITTLE_ENDIAN);
    codec.decodeToFloat32(
        packed, 0, DoubleQuantization.encode(absmax, offset), 0, values.length, out, 0);
    float[] decoded = new float[values.length];
    out.asFloatBuffer().get(decoded);
    return decoded;
  }
}
