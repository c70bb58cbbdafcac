package org.sparkfinetune.engine.fsdp;

import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import org.sparkfinetune.engine.exchange.ExchangeSettings;
import org.sparkfinetune.engine.exchange.InProcessGroup;
import org.sparkfinetune.engine.exchange.ProcessGroup;
import org.sparkfinetune.engine.exchange.Shard;
import org.sparkfinetune.engine.fsdp.FrozenReader.Reshard;
import org.sparkfinetune.engine.fsdp.WeightSource.PlainType;
import org.sparkfinetune.engine.tensor.ComputeDevice;
import org.sparkfinetune.engine.tensor.Ops;
import org.sparkfinetune.engine.tensor.Scope;
import org.sparkfinetune.engine.tensor.Tensor;
import org.sparkfinetune.engine.tensor.Tensor.ElementType;
import org.sparkfinetune.engine.tensor.Torch;
import org.sparkfinetune.model.quant.Nf4Codec;
import org.sparkfinetune.model.safetensors.NamedShape;

/** Weights that some ranks wrote, as a device decodes them: each tensor's bytes. */
final class DecodedShard implements AutoCloseable {
  /** More than a chunk of the script, a short last block, and cuts within nested groups. */
  private static final List<NamedShape> QUANTIZED =
      List.of(
          NamedShape.of("large", 2100, 2048),
          NamedShape.of("odd", 7, 50),
          NamedShape.of("q", 300, 128));

  private static final NamedShape NORM = NamedShape.of("norm", 33);
  private static final NamedShape TABLE = NamedShape.of("table", 40, 24);
  private static final int[] ROWS = {0, 3, 4, 17, 39};

  private final List<ProcessGroup> group;
  private final Map<String, FrozenLayout> layouts;

  private DecodedShard(List<ProcessGroup> group, PlainType plain) {
    this.group = group;
    this.layouts =
        Map.of("g", new FrozenLayout(QUANTIZED, List.of(NORM, TABLE), plain, group.size()));
  }

  static DecodedShard write(int ranks, PlainType plain, Path folder) {
    DecodedShard shard =
        new DecodedShard(InProcessGroup.group(ranks, ExchangeSettings.defaults()), plain);
    List<CompletableFuture<Void>> written = new ArrayList<>();
    for (ProcessGroup exchange : shard.group) {
      written.add(
          CompletableFuture.runAsync(
              () -> shard.serve(exchange, folder), task -> new Thread(task).start()));
    }
    written.forEach(CompletableFuture::join);
    return shard;
  }

  private void serve(ProcessGroup exchange, Path folder) {
    ShardPlan plan = new ShardPlan(layouts, ShardRanks.all(exchange));
    Path file = folder.resolve("rank-" + exchange.rank());
    WeightSource source =
        (name, first, to, count) -> {
          for (int i = 0; i < count; i++) {
            to[i] = (float) (Math.sin((first + i) * 0.37) * (1 + (first + i) % 1001) * 1e-3);
          }
        };
    new ShardWriter(plan, source, exchange, Nf4Codec.fastest()).write(file, 0, done -> {});
    exchange.serve(Shard.file(file));
  }

  Map<String, byte[]> decoded(ComputeDevice device, ElementType type) {
    return decoded(device, type, 0);
  }

  /**
   * @param resident bytes that may stay on the device
   */
  Map<String, byte[]> decoded(ComputeDevice device, ElementType type, long resident) {
    ShardPlan plan = new ShardPlan(layouts, ShardRanks.all(group.get(0)));
    try (Torch torch = Torch.start(1, device);
        Scope scope = torch.scope();
        Workers workers = new Workers(2)) {
      Ops ops = new Ops(torch);
      FrozenReader reader =
          new FrozenReader(
              plan,
              group.get(0),
              WeightDecoder.of(ops, Nf4Codec.fastest(), workers, scope, resident),
              Reshard.AFTER_EACH_USE);
      Map<String, Tensor> out = new TreeMap<>();
      for (NamedShape shape : QUANTIZED) {
        out.put(shape.name(), ops.empty(scope, type, shape.dimensions()));
      }
      out.put("norm", ops.empty(scope, type, NORM.dimensions()));
      out.put("table", ops.empty(scope, type, TABLE.dimensions()));
      reader.decode("g", reader.fetch("g"), shape -> out.get(shape.name()));
      out.put("rows", ops.empty(scope, type, ROWS.length, 24));
      reader.rows("g", TABLE, ROWS, out.get("rows"));
      out.put("range", ops.empty(scope, type, 500));
      reader.decodeRange(reader.fetchRange("g", TABLE, 400, 500), out.get("range"));
      Map<String, byte[]> bytes = new TreeMap<>();
      out.forEach((name, tensor) -> bytes.put(name, bytes(ops, scope, tensor)));
      return bytes;
    }
  }

  private static byte[] bytes(Ops ops, Scope scope, Tensor tensor) {
    ByteBuffer buffer = ops.hostMemory().toHost(scope, tensor).bytes();
    byte[] bytes = new byte[buffer.remaining()];
    buffer.get(bytes);
    return bytes;
  }

  @Override
  public void close() {
    group.forEach(ProcessGroup::close);
  }
}
