package org.sparkfinetune.jobs;

import java.io.FileNotFoundException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.OptionalLong;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.sparkfinetune.bench.ModelShape;
import org.sparkfinetune.config.ConfigLoader;
import org.sparkfinetune.config.TrainConfig;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.jobs.Jobs.PlanRequest;
import org.sparkfinetune.jobs.Jobs.Request;
import org.sparkfinetune.model.family.DecoderConfig;
import org.sparkfinetune.model.family.DecoderConfigReader;
import org.sparkfinetune.model.hub.HubFolder;
import org.sparkfinetune.model.hub.HubRepository.HubKind;
import org.sparkfinetune.plan.CpuProbe;
import org.sparkfinetune.plan.Device;
import org.sparkfinetune.plan.DeviceTable;
import org.sparkfinetune.plan.Plan;
import org.sparkfinetune.plan.Plan.PlanJson;
import org.sparkfinetune.plan.PlanText;
import org.sparkfinetune.plan.Planner;
import org.sparkfinetune.store.Store;

/** Reads what a plan needs, and has it made. */
final class PlanJob {
  /** Of JSON with messages: English and SQL under Llama's vocabulary. */
  private static final double BYTES_PER_TOKEN = 4;

  private final PlanRequest request;
  private final Store store;

  PlanJob(PlanRequest request, Store store) {
    this.request = request;
    this.store = store;
  }

  List<String> run() {
    Request configured = request.configured();
    TrainConfig config =
        new ConfigLoader(store.hadoop())
            .train(configured.configFile(), configured.arguments())
            .config();
    int ranks = request.gpus().orElse(config.parallelism().numRanks().orElse(1));
    DeviceTable table = request.gpuTable().map(this::table).orElseGet(DeviceTable::shipped);
    Planner planner = new Planner(config, model(config), tokens(config));
    Plan plan = planner.plan(device(table, config, ranks), ranks, table.all());
    return switch (request.output()) {
      case JSON -> List.of(PlanJson.of(plan));
      case TEXT -> PlanText.lines(plan);
    };
  }

  private Device device(DeviceTable table, TrainConfig config, int ranks) {
    if (!request.gpuType().equals(DeviceTable.CPU)) {
      return table.device(request.gpuType());
    }
    return CpuProbe.measure(
        Math.max(1, ranks),
        config.compute().bf16() ? CpuProbe.Numbers.BFLOAT16 : CpuProbe.Numbers.FLOAT32);
  }

  private DeviceTable table(String file) {
    return DeviceTable.parse(text(new Path(file), "--gpu_table"), file);
  }

  private DecoderConfig model(TrainConfig config) {
    if (request.shape().isPresent()) {
      return ModelShape.named(request.shape().get()).config();
    }
    String named = config.model().modelId();
    Path file =
        HubFolder.repository(named, config.model().revision(), HubKind.MODEL, store)
            .map(
                id -> HubFolder.from(named, id, store, hub -> hub.download(List.of("config.json"))))
            .map(folder -> new Path(folder, "config.json"))
            .orElseGet(() -> new Path(named, "config.json"));
    return DecoderConfigReader.read(
        text(file, "model_id (give --shape to plan for a model that is not here)"),
        file.toString());
  }

  private OptionalLong tokens(TrainConfig config) {
    if (request.tokens().isPresent()) {
      return request.tokens();
    }
    Path split = new Path(config.data().datasetPath(), "train_dataset.json");
    try {
      FileSystem files = split.getFileSystem(store.hadoop());
      return OptionalLong.of(Math.round(files.getFileStatus(split).getLen() / BYTES_PER_TOKEN));
    } catch (FileNotFoundException e) {
      return OptionalLong.empty();
    } catch (IOException e) {
      throw new UserError(
          "dataset_path: %s cannot be read: %s".formatted(split, e.getMessage()), e);
    }
  }

  private String text(Path path, String what) {
    try (FSDataInputStream in = path.getFileSystem(store.hadoop()).open(path)) {
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    } catch (FileNotFoundException e) {
      throw new UserError("%s: there is no %s.".formatted(what, path), e);
    } catch (IOException e) {
      throw new UserError("%s: %s cannot be read: %s".formatted(what, path, e.getMessage()), e);
    }
  }
}
