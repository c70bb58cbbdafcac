package org.sparkfinetune.jobs;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.SparkConf;
import org.apache.spark.sql.SparkSession;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.config.ConfigLoader;
import org.sparkfinetune.config.Loaded;
import org.sparkfinetune.config.PrepareConfig;
import org.sparkfinetune.config.TrainConfig;
import org.sparkfinetune.launch.CheckJson;
import org.sparkfinetune.launch.CheckReport;
import org.sparkfinetune.launch.CheckText;
import org.sparkfinetune.launch.ExecutorSettings;
import org.sparkfinetune.launch.TrainCheck;
import org.sparkfinetune.launch.TrainDriver;
import org.sparkfinetune.prepare.Prepare;

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
  public List<String> plan(PlanRequest request) {
    return new PlanJob(request, hadoop()).run();
  }

  @Override
  public Checked check(Request request, OutputForm output) {
    Loaded<TrainConfig> loaded = loader().train(request.configFile(), request.arguments());
    SparkConf conf = new SparkConf().setAppName("spark-finetune check");
    List<SparkSession> started = new ArrayList<>();
    Supplier<SparkSession> spark =
        () -> {
          ExecutorSettings.apply(conf, loaded.config().parallelism().numRanks());
          SparkSession session = SparkSession.builder().config(conf).getOrCreate();
          started.add(session);
          return session;
        };
    try {
      CheckReport report = new TrainCheck(loaded, hadoop()).run(conf, spark);
      List<String> lines =
          switch (output) {
            case JSON -> List.of(CheckJson.of(report));
            case TEXT -> new CheckText(terminal()).lines(report);
          };
      return new Checked(
          lines, report.hasFailed() ? Checked.Outcome.MUST_CHANGE : Checked.Outcome.CAN_TRAIN);
    } finally {
      started.forEach(SparkSession::stop);
    }
  }

  private static ConfigLoader loader() {
    return new ConfigLoader(hadoop());
  }

  private static CheckText.Style terminal() {
    boolean colour = System.console() != null && System.getenv("NO_COLOR") == null;
    return colour ? CheckText.Style.COLOUR : CheckText.Style.PLAIN;
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
