package org.sparkfinetune.engine.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.IntToDoubleFunction;
import org.apache.hadoop.conf.Configuration;
import org.sparkfinetune.config.ConfigLoader;
import org.sparkfinetune.config.TrainConfig;
import org.sparkfinetune.engine.tensor.ComputeDevice;
import org.sparkfinetune.engine.train.Trainer.TrainingEvents;
import org.sparkfinetune.model.safetensors.Checkpoint;
import org.sparkfinetune.model.safetensors.Floats;
import org.sparkfinetune.model.safetensors.TensorInfo;
import org.sparkfinetune.store.Store;

/** A run beside one that {@code variants.py} wrote, from configuration to saved files. */
final class Variant {
  static final Path VARIANTS = GoldenRun.GOLDEN.resolve("variants");

  private final String name;
  private final JsonNode golden;
  private final Map<String, String> arguments = new LinkedHashMap<>();
  private final Path output;
  private ComputeDevice device = new ComputeDevice.Cpu();

  Variant(String name, Path scratch) throws IOException {
    this.name = name;
    this.golden = GoldenRun.json("variants/" + name + ".json");
    this.output = scratch.resolve(name);
    with("output_dir", output.toUri());
    with("bf16", false);
    with("max_steps", golden.path("steps").size());
    with("learning_rate", golden.path("lr").asDouble(2e-3));
    with("lr_scheduler_type", golden.path("schedule").asText("constant"));
    with("warmup_steps", golden.path("warmup").asInt(0));
    with("weight_decay", golden.path("decay").asDouble(0));
    with("max_grad_norm", golden.path("clip").asDouble(0.3));
    if (golden.has("loraplus")) {
      with("loraplus_lr_ratio", golden.path("loraplus").asDouble());
    }
    with("cross_sample_attention", golden.path("cross").asBoolean(false));
  }

  Variant with(String key, Object value) {
    arguments.put(key, value.toString());
    return this;
  }

  Variant without(String key) {
    arguments.remove(key);
    return this;
  }

  Variant on(ComputeDevice what) {
    this.device = what;
    return this;
  }

  /** The golden model and rows, or those of a folder of variants. */
  Variant model(String folder) {
    boolean whole = folder.equals("model");
    Path home = whole ? GoldenRun.GOLDEN : VARIANTS;
    with("model_id", home.resolve(folder).toUri());
    return with("dataset_path", home.resolve("rows.safetensors").toUri());
  }

  Variant adapter(Path folder) {
    return with("adapter", folder.toUri());
  }

  Path output() {
    return output;
  }

  List<TrainingEvents.Step> run(int ranks) {
    with("num_ranks", ranks);
    with("per_device_train_batch_size", 4 / ranks);
    List<String> words = new ArrayList<>();
    arguments.forEach((key, value) -> words.addAll(List.of("--" + key, value)));
    TrainConfig config =
        new ConfigLoader(new Configuration()).train(Optional.empty(), words).config();
    return new ParityRun(config, new Store(new Configuration()), 1, device).run();
  }

  /** Runs, and compares losses as they are. */
  void compareLosses(int ranks, IntToDoubleFunction within) {
    List<TrainingEvents.Step> ours = run(ranks);
    assertThat(ours).hasSize(golden.path("steps").size()).isNotEmpty();
    for (int i = 0; i < ours.size(); i++) {
      assertThat(ours.get(i).loss())
          .as("%s, loss of step %d", name, i + 1)
          .isCloseTo(
              golden.path("steps").get(i).path("loss").asDouble(),
              within(within.applyAsDouble(i + 1)));
    }
  }

  /** Runs, and compares losses and norms relatively. */
  void compareSteps(int ranks, double lossWithin, double normWithin) {
    List<TrainingEvents.Step> ours = run(ranks);
    assertThat(ours).hasSize(golden.path("steps").size()).isNotEmpty();
    for (int i = 0; i < ours.size(); i++) {
      JsonNode step = golden.path("steps").get(i);
      double loss = step.path("loss").asDouble();
      double norm = step.path("grad_norm").asDouble();
      TrainingEvents.Step mine = ours.get(i);
      assertThat(mine.loss())
          .as("%s, loss of step %d", name, i + 1)
          .isCloseTo(loss, within(loss * lossWithin));
      assertThat(mine.gradNorm())
          .as("%s, norm of step %d", name, i + 1)
          .isCloseTo(norm, within(norm * normWithin));
      assertThat(mine.learningRate())
          .isCloseTo(step.path("learning_rate").asDouble(), within(1e-12));
      assertThat(mine.trainedTokens()).isEqualTo(step.path("trained_tokens").asLong());
    }
  }

  /** The root of the mean square by which what was saved is away, relative to its own. */
  double weightsApart() {
    double apart = 0;
    double size = 0;
    try (Checkpoint expected = expected();
        Checkpoint ours = saved()) {
      assertThat(ours.names()).containsExactlyInAnyOrderElementsOf(expected.names());
      for (String tensor : expected.names()) {
        float[] theirs = floats(expected, tensor);
        float[] mine = floats(ours, tensor);
        for (int i = 0; i < theirs.length; i++) {
          size += theirs[i] * theirs[i];
          apart += Math.pow(theirs[i] - mine[7 * i], 2);
        }
      }
    }
    return Math.sqrt(apart / size);
  }

  private Checkpoint expected() {
    return GoldenRun.open("variants/" + name + ".safetensors");
  }

  private Checkpoint saved() {
    Path saved =
        Files.exists(output.resolve("model"))
            ? output.resolve("model/model.safetensors")
            : output.resolve("adapter/adapter_model.safetensors");
    return Checkpoint.openFile(
        new org.apache.hadoop.fs.Path(saved.toUri()), new Store(new Configuration()));
  }

  /** Every seventh element of what was saved, relative to the tensor's largest. */
  void compareWeights(double relative) {
    try (Checkpoint expected = expected();
        Checkpoint ours = saved()) {
      assertThat(ours.names()).containsExactlyInAnyOrderElementsOf(expected.names());
      for (String tensor : expected.names()) {
        float[] theirs = floats(expected, tensor);
        float[] mine = floats(ours, tensor);
        assertThat((mine.length + 6) / 7).as(tensor).isEqualTo(theirs.length);
        double largest = 0;
        double apart = 0;
        for (int i = 0; i < theirs.length; i++) {
          largest = Math.max(largest, Math.abs(theirs[i]));
          apart = Math.max(apart, Math.abs(theirs[i] - mine[7 * i]));
        }
        assertThat(apart).as("%s %s", name, tensor).isLessThanOrEqualTo(relative * largest);
      }
    }
  }

  /** {@code adapter-start.safetensors} as a folder that PEFT would read. */
  static Path startOfTrajectories(Path scratch) throws IOException {
    Path folder = Files.createDirectories(scratch.resolve("start"));
    Files.copy(
        GoldenRun.GOLDEN.resolve("adapter-start.safetensors"),
        folder.resolve("adapter_model.safetensors"),
        StandardCopyOption.REPLACE_EXISTING);
    Files.copy(
        GoldenRun.GOLDEN.resolve("trajectory-lora-float32.adapter/adapter_config.json"),
        folder.resolve("adapter_config.json"),
        StandardCopyOption.REPLACE_EXISTING);
    return folder;
  }

  static float[] floats(Checkpoint file, String tensor) {
    TensorInfo info = file.info(tensor);
    ByteBuffer bytes = ByteBuffer.allocate((int) info.byteCount());
    file.read(tensor, 0, bytes);
    float[] values = new float[(int) info.elements()];
    Floats.toFloats(info.dtype(), bytes.flip(), values, 0, values.length);
    return values;
  }
}
