package org.sparkfinetune.launch;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.ObjectInputStream;
import java.io.ObjectOutputStream;
import java.util.List;
import java.util.Optional;
import org.sparkfinetune.config.ConfigLoader;
import org.sparkfinetune.config.TrainConfig;
import org.sparkfinetune.errors.Bug;
import org.sparkfinetune.train.RankReport;
import org.sparkfinetune.train.RankRun;

/**
 * A rank's run as it travels to an executor: where the resolved configuration lies, and the rows.
 */
final class TrainTask implements RankTask {
  private static final long serialVersionUID = 1L;

  private final String configFile;
  private final String tokenizedPath;
  private final HadoopSettings hadoop;

  TrainTask(String configFile, String tokenizedPath, HadoopSettings hadoop) {
    this.configFile = configFile;
    this.tokenizedPath = tokenizedPath;
    this.hadoop = hadoop;
  }

  @Override
  public byte[] run(RankContext context) throws IOException {
    TrainConfig config =
        new ConfigLoader(hadoop.configuration()).train(Optional.of(configFile), List.of()).config();
    RankRun.Place place =
        new RankRun.Place(
            context.exchange(),
            context.host(),
            context.cores(),
            context.scratch(),
            tokenizedPath,
            context.attempt(),
            (phase, step) -> context.progress().enter(phase, step));
    RankReport report = new RankRun(config, place, hadoop.configuration()).run();
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (ObjectOutputStream out = new ObjectOutputStream(bytes)) {
      out.writeObject(report);
    }
    return bytes.toByteArray();
  }

  /** What {@link #run} gave. */
  static RankReport report(byte[] bytes) {
    try (ObjectInputStream in = new ObjectInputStream(new ByteArrayInputStream(bytes))) {
      return (RankReport) in.readObject();
    } catch (IOException | ClassNotFoundException e) {
      throw new Bug("A rank's report cannot be read.", e);
    }
  }
}
