package org.sparkfinetune.jobs.bench;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.sparkfinetune.inference.generate.DecodingModel;
import org.sparkfinetune.inference.generate.DecodingModel.BaseForm;
import org.sparkfinetune.inference.generate.DeviceModel.Numbers;
import org.sparkfinetune.inference.generate.GenerationSettings;
import org.sparkfinetune.inference.generate.Generator;
import org.sparkfinetune.inference.generate.Generator.Prompt;
import org.sparkfinetune.inference.generate.Generator.TokenListener;
import org.sparkfinetune.inference.generate.PackedWeights;
import org.sparkfinetune.plan.MachineMemory;
import org.sparkfinetune.store.Store;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Behind {@code jobs/bin/bench generate}: greedy decoding of random prompts in one process. */
@Command(
    name = "bench-generate",
    hidden = true,
    description = "Measures greedy decoding; prints one JSON line.")
public final class BenchGenerateCommand implements Runnable {
  @Option(names = "--model_id", required = true, description = "A model folder.")
  private String model = "";

  @Option(names = "--adapter", description = "A PEFT adapter folder.")
  private Optional<String> adapter = Optional.empty();

  @Option(
      names = "--form",
      defaultValue = "NF4",
      description = "AS_STORED, NF4 or NF4_FLOAT32. Default: ${DEFAULT-VALUE}.")
  private BaseForm form = BaseForm.NF4;

  @Option(names = "--batch", defaultValue = "1", description = "Prompts decoded together.")
  private int batch;

  @Option(names = "--prompt_tokens", defaultValue = "32", description = "Tokens of a prompt.")
  private int promptTokens;

  @Option(names = "--max_new_tokens", defaultValue = "64", description = "Tokens to generate.")
  private int newTokens;

  @Option(names = "--threads", defaultValue = "2", description = "Threads that decode.")
  private int threads;

  @Option(names = "--repeats", defaultValue = "5", description = "Runs; the best one is told.")
  private int repeats;

  @Option(
      names = "--bf16",
      arity = "1",
      defaultValue = "true",
      description = "false: activations in float32. Default: ${DEFAULT-VALUE}.")
  private boolean bf16 = true;

  private final PrintWriter out;

  public BenchGenerateCommand(PrintWriter out) {
    this.out = out;
  }

  @Override
  public void run() {
    long started = System.nanoTime();
    try (DecodingModel loaded =
            DecodingModel.load(
                new Path(model),
                adapter.map(Path::new),
                form,
                new Store(new Configuration()),
                threads);
        Opened opened = opened(loaded)) {
      double loadSeconds = (System.nanoTime() - started) * 1e-9;
      List<Prompt> prompts = prompts(loaded.config().vocabSize());
      double first = seconds(opened.generator(), prompts, 1);
      double[] runs = new double[repeats];
      for (int i = 0; i < repeats; i++) {
        runs[i] = seconds(opened.generator(), prompts, newTokens);
        first = Math.min(first, seconds(opened.generator(), prompts, 1));
      }
      print(opened, loadSeconds, first, runs);
    }
  }

  private record Opened(Generator generator, Optional<PackedWeights> packed)
      implements AutoCloseable {
    @Override
    public void close() {
      generator.close();
      packed.ifPresent(PackedWeights::close);
    }
  }

  /** As a task of {@code generate} that has the machine for itself. */
  private Opened opened(DecodingModel loaded) {
    Numbers numbers = bf16 ? Numbers.OF_THE_WEIGHTS : Numbers.FLOAT32;
    long room = MachineMemory.available().orElse(0);
    Optional<PackedWeights> packed =
        PackedWeights.objection(loaded, numbers, batch, room).isEmpty()
            ? Optional.of(PackedWeights.of(loaded, threads))
            : Optional.empty();
    return new Opened(new Generator(loaded, packed, threads, batch), packed);
  }

  private List<Prompt> prompts(int vocabulary) {
    Random random = new Random(1);
    List<Prompt> prompts = new ArrayList<>();
    for (int i = 0; i < batch; i++) {
      prompts.add(new Prompt(i, random.ints(promptTokens, 3, vocabulary).toArray()));
    }
    return prompts;
  }

  private double seconds(Generator generator, List<Prompt> prompts, int tokens) {
    long started = System.nanoTime();
    int made =
        generator
            .run(
                prompts,
                GenerationSettings.greedy(tokens, Set.of()),
                (prompt, token) -> TokenListener.Then.CONTINUE)
            .size();
    return made == 0 ? 0 : (System.nanoTime() - started) * 1e-9;
  }

  private void print(Opened opened, double loadSeconds, double first, double[] runs) {
    double best = Arrays.stream(runs).min().orElseThrow();
    ObjectNode line = new ObjectMapper().createObjectNode();
    line.put("form", form.name());
    line.put("batch", batch);
    line.put("threads", threads);
    line.put("products", opened.packed().isPresent() ? "libtorch" : "vectors");
    line.put("tokens_per_second", batch * newTokens / best);
    ArrayNode each = line.putArray("each_tokens_per_second");
    Arrays.stream(runs).forEach(seconds -> each.add(Math.round(batch * newTokens / seconds)));
    line.put("decode_tokens_per_second", batch * (newTokens - 1) / (best - first));
    line.put("prompt_tokens_per_second", batch * promptTokens / first);
    line.put("load_s", loadSeconds);
    out.println(line);
    out.flush();
  }
}
