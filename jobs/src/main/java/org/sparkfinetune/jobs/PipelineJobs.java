package org.sparkfinetune.jobs;

import org.apache.hadoop.conf.Configuration;
import org.apache.spark.SparkConf;
import org.apache.spark.sql.SparkSession;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.config.ConfigLoader;
import org.sparkfinetune.config.Loaded;
import org.sparkfinetune.config.PrepareConfig;
import org.sparkfinetune.config.TrainConfig;
import org.sparkfinetune.launch.ExecutorSettings;
import org.sparkfinetune.launch.TrainDriver;
import org.sparkfinetune.prepare.Prepare;
import org.sparkfinetune.train.ParityRun;

/** The commands' way into the pipeline. */
final class PipelineJobs implements Jobs {
  private static final Logger LOG = LoggerFactory.getLogger(PipelineJobs.class);
  private static final String HADOOP_PREFIX = "spark.hadoop.";

  @Override
  public void prepare(Request request) {
    Loaded<PrepareConfig> loaded = loader().prepare(request.configFile(), request.arguments());
    loaded.notes().forEach(LOG::info);
    SparkSession spark = SparkSession.builder().appName("spark-finetune prepare").getOrCreate();
    try {
      new Prepare(spark, loaded.config()).run();
    } finally {
      spark.stop();
    }
  }

  @Override
  public void train(Request request) {
    Loaded<TrainConfig> loaded = loader().train(request.configFile(), request.arguments());
    loaded.notes().forEach(LOG::info);
    SparkConf conf = new SparkConf().setAppName("spark-finetune train");
    ExecutorSettings.apply(conf, loaded.config().parallelism().numRanks());
    SparkSession spark = SparkSession.builder().config(conf).getOrCreate();
    try {
      new TrainDriver(spark, loaded).run();
    } finally {
      spark.stop();
    }
  }

  @Override
  public void parity(Request request) {
    Loaded<TrainConfig> loaded = loader().train(request.configFile(), request.arguments());
    new ParityRun(loaded.config(), hadoop(), Runtime.getRuntime().availableProcessors()).run();
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
