package org.sparkfinetune.jobs.bench;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Supplier;
import org.sparkfinetune.config.ConfigLoader;
import org.sparkfinetune.config.TrainConfig;
import org.sparkfinetune.engine.train.ParityRun;
import org.sparkfinetune.store.Store;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Trains without Spark, to lay the numbers beside another program's. */
@Command(
    name = "parity",
    description = {
      "Trains some steps as train does, in this process and without Spark, so that another"
          + " program's numbers can be laid beside: dataset_path is packed rows (a safetensors"
          + " file, or the folder that provenance.json calls tokenized_path), taken in their order;"
          + " there is no dropout. Writes losses.json and the adapter (or model) into output_dir."
    })
public final class ParityCommand implements Runnable {
  @Option(
      names = "--config",
      paramLabel = "FILE.yaml",
      description = "The configuration: a local file or any path that Hadoop reads.")
  private Optional<String> config = Optional.empty();

  @Parameters(
      paramLabel = "--KEY VALUE",
      arity = "0..*",
      description = "Keys of the configuration, see below.")
  private final List<String> others = new ArrayList<>();

  private final Supplier<Store> store;

  public ParityCommand(Supplier<Store> store) {
    this.store = store;
  }

  @Override
  public void run() {
    Store files = store.get();
    TrainConfig train = ConfigLoader.ofUser(files.hadoop()).train(config, others).config();
    new ParityRun(train, files, Runtime.getRuntime().availableProcessors()).run();
  }
}
