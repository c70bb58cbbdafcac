package org.sparkfinetune.jobs;

import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.apache.spark.SparkConf;
import org.apache.spark.sql.SparkSession;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.config.ConfigLoader;
import org.sparkfinetune.config.Loaded;
import org.sparkfinetune.config.PrepareConfig;
import org.sparkfinetune.config.TokenCounting;
import org.sparkfinetune.config.TrainConfig;
import org.sparkfinetune.conversation.TokenCounter;
import org.sparkfinetune.hub.HubFolder;
import org.sparkfinetune.hub.HubId;
import org.sparkfinetune.hub.HubKind;
import org.sparkfinetune.launch.ConversationTokens;
import org.sparkfinetune.launch.ExecutorSettings;
import org.sparkfinetune.launch.TokenizeJob;
import org.sparkfinetune.launch.TokenizeRequest;
import org.sparkfinetune.launch.TokenizedJson;
import org.sparkfinetune.launch.TrainDriver;
import org.sparkfinetune.prepare.Prepare;
import org.sparkfinetune.tokenize.TokenizerFiles;

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
      Prepare prepare = new Prepare(spark, loaded.config());
      Configuration hadoop = spark.sparkContext().hadoopConfiguration();
      loaded
          .config()
          .tokens()
          .map(counting -> prepare.counting(counter(counting, hadoop)))
          .orElse(prepare)
          .run();
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
  public String tokenize(Request request) {
    Loaded<TrainConfig> loaded = loader().train(request.configFile(), request.arguments());
    TrainConfig config = loaded.config();
    SparkSession spark = SparkSession.builder().appName("spark-finetune tokenize").getOrCreate();
    try {
      Configuration hadoop = spark.sparkContext().hadoopConfiguration();
      Path folder =
          HubFolder.locate(
              config.model().tokenizer().orElse(config.model().modelId()),
              config.model().revision(),
              HubKind.MODEL,
              TokenizerFiles.names(),
              hadoop);
      TokenizeRequest wanted =
          new TokenizeRequest(
              config.data(),
              TokenizerFiles.load(folder, hadoop),
              new Path(config.outputDir(), "tokenized"));
      return TokenizedJson.of(new TokenizeJob(spark).run(wanted));
    } finally {
      spark.stop();
    }
  }

  private static TokenCounter counter(TokenCounting counting, Configuration hadoop) {
    Path folder =
        HubFolder.locate(
            counting.tokenizer(), HubId.MAIN, HubKind.MODEL, TokenizerFiles.names(), hadoop);
    return ConversationTokens.of(
        TokenizerFiles.load(folder, hadoop), counting.chatTemplate(), hadoop);
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
