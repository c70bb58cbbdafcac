package org.sparkfinetune.jobs;

import org.apache.hadoop.conf.Configuration;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.config.ConfigLoader;
import org.sparkfinetune.config.Loaded;
import org.sparkfinetune.config.PrepareConfig;
import org.sparkfinetune.config.TrainConfig;
import org.sparkfinetune.errors.Bug;

/** The commands' way into the pipeline. */
final class PipelineJobs implements Jobs {
  private static final Logger LOG = LoggerFactory.getLogger(PipelineJobs.class);
  private static final String HADOOP_PREFIX = "spark.hadoop.";

  @Override
  public void prepare(Request request) {
    Loaded<PrepareConfig> loaded = loader().prepare(request.configFile(), request.arguments());
    loaded.notes().forEach(LOG::info);
    throw new Bug("prepare is not connected.");
  }

  @Override
  public void train(Request request) {
    Loaded<TrainConfig> loaded = loader().train(request.configFile(), request.arguments());
    loaded.notes().forEach(LOG::info);
    throw new Bug("train is not connected.");
  }

  private static ConfigLoader loader() {
    return new ConfigLoader(hadoop());
  }

  /** What a session would use; there is none yet, since the configuration shapes it. */
  private static Configuration hadoop() {
    Configuration hadoop = new Configuration();
    System.getProperties()
        .forEach(
            (key, value) -> {
              if (key instanceof String name && name.startsWith(HADOOP_PREFIX)) {
                hadoop.set(name.substring(HADOOP_PREFIX.length()), value.toString());
              }
            });
    return hadoop;
  }
}
