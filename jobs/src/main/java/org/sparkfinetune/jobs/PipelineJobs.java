package org.sparkfinetune.jobs;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.time.LocalDate;
import java.time.ZoneId;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Supplier;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.apache.spark.SparkConf;
import org.apache.spark.sql.SparkSession;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.config.ConfigLoader;
import org.sparkfinetune.config.ConfigLoader.Loaded;
import org.sparkfinetune.config.EvaluateConfig;
import org.sparkfinetune.config.GenerateConfig;
import org.sparkfinetune.config.MergeConfig;
import org.sparkfinetune.config.MergeConfig.WeightType;
import org.sparkfinetune.config.PrepareConfig;
import org.sparkfinetune.config.PrepareConfig.TokenCounting;
import org.sparkfinetune.config.TrainConfig;
import org.sparkfinetune.data.conversation.TokenCounter;
import org.sparkfinetune.data.tokenize.TokenizerFiles;
import org.sparkfinetune.engine.metrics.RunFolder;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.inference.evaluate.EvaluationReport;
import org.sparkfinetune.inference.export.GgufExport;
import org.sparkfinetune.inference.export.Merge;
import org.sparkfinetune.inference.export.Merge.MergeRequest;
import org.sparkfinetune.inference.generate.TextGenerator;
import org.sparkfinetune.model.hub.HubFolder;
import org.sparkfinetune.model.hub.HubId;
import org.sparkfinetune.model.hub.HubRepository.HubKind;
import org.sparkfinetune.model.safetensors.DType;
import org.sparkfinetune.spark.check.CheckReport;
import org.sparkfinetune.spark.check.CheckReport.CheckJson;
import org.sparkfinetune.spark.check.CheckReport.CheckText;
import org.sparkfinetune.spark.check.TrainCheck;
import org.sparkfinetune.spark.cluster.ExecutorSettings;
import org.sparkfinetune.spark.evaluate.EvaluateJob;
import org.sparkfinetune.spark.generate.AnsweringModel;
import org.sparkfinetune.spark.generate.GenerateJob;
import org.sparkfinetune.spark.model.ModelFolders;
import org.sparkfinetune.spark.model.ModelPush;
import org.sparkfinetune.spark.model.RunOfAdapter;
import org.sparkfinetune.spark.prepare.Prepare;
import org.sparkfinetune.spark.tokenize.ConversationTokens;
import org.sparkfinetune.spark.tokenize.TokenizeJob;
import org.sparkfinetune.spark.tokenize.TokenizeJob.TokenizeRequest;
import org.sparkfinetune.spark.tokenize.TokenizedDataset.TokenizedJson;
import org.sparkfinetune.spark.train.TrainDriver;
import org.sparkfinetune.spark.train.TrainPreflight;
import org.sparkfinetune.store.Store;

/** The commands' way into the pipeline. */
final class PipelineJobs implements Jobs {
  private static final Logger LOG = LoggerFactory.getLogger(PipelineJobs.class);
  private static final String HADOOP_PREFIX = "spark.hadoop.";

  private final PrintWriter out;

  PipelineJobs(PrintWriter out) {
    this.out = out;
  }

  @Override
  public void prepare(Request request) {
    Loaded<PrepareConfig> loaded = loader().prepare(request.configFile(), request.arguments());
    loaded.notes().forEach(LOG::info);
    SparkSession spark = Sessions.start("prepare");
    try {
      Prepare prepare = new Prepare(spark, loaded.config());
      Store store = new Store(spark.sparkContext().hadoopConfiguration());
      loaded
          .config()
          .tokens()
          .map(counting -> prepare.counting(counter(counting, store)))
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
    if (TrainPreflight.isFinished(loaded, store())) {
      LOG.info("The run in {} is finished; nothing was changed.", loaded.config().outputDir());
      return;
    }
    SparkConf conf = Sessions.named("train");
    ExecutorSettings.apply(conf, loaded.config().parallelism().numRanks());
    ExecutorSettings.checkDevice(conf, loaded.config().compute().device());
    TrainPreflight preflight = TrainPreflight.check(loaded, store());
    SparkSession spark = Sessions.start(conf);
    try {
      new TrainDriver(spark, preflight).run();
    } finally {
      spark.stop();
    }
  }

  @Override
  public String tokenize(Request request) {
    Loaded<TrainConfig> loaded = loader().train(request.configFile(), request.arguments());
    TrainConfig config = loaded.config();
    SparkSession spark = Sessions.start("tokenize");
    try {
      Store store = new Store(spark.sparkContext().hadoopConfiguration());
      Path folder =
          HubFolder.locate(
              config.model().tokenizer().orElse(config.model().modelId()),
              config.model().tokenizer().isPresent() ? HubId.MAIN : config.model().revision(),
              HubKind.MODEL,
              TokenizerFiles.patterns(),
              store);
      TokenizeRequest wanted =
          new TokenizeRequest(
              config.data(),
              TokenizerFiles.load(folder, store),
              new Path(config.outputDir(), "tokenized"),
              LocalDate.now(ZoneId.systemDefault()),
              config.reporting().evaluates());
      return TokenizedJson.of(new TokenizeJob(spark).run(wanted, RunFolder.of(config.outputDir())));
    } finally {
      spark.stop();
    }
  }

  private static TokenCounter counter(TokenCounting counting, Store store) {
    Path folder =
        HubFolder.locate(
            counting.tokenizer(), HubId.MAIN, HubKind.MODEL, TokenizerFiles.patterns(), store);
    return ConversationTokens.of(
        TokenizerFiles.load(folder, store), counting.chatTemplate(), store);
  }

  @Override
  public void generate(Request request, OutputForm form) {
    GenerateConfig config = loader().generate(request.configFile(), request.arguments()).config();
    if (config.task() instanceof GenerateConfig.Batch batch) {
      SparkSession spark = inferenceSession("generate");
      try (GenerateJob job = new GenerateJob(spark)) {
        long rows = job.run(batch, config.model(), config.sampling());
        out.println(
            form == OutputForm.JSON
                ? "{\"rows\": %s}".formatted(rows)
                : "%s rows: %s".formatted(rows, batch.output()));
      } finally {
        spark.stop();
      }
      return;
    }
    int threads = Runtime.getRuntime().availableProcessors();
    try (AnsweringModel model = AnsweringModel.of(config.model(), config.sampling(), store());
        TextGenerator generator = model.newGenerator(threads)) {
      BufferedReader in =
          new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
      new Terminal(generator, in, out, store()).run(config.task(), form);
    }
  }

  @Override
  public void evaluate(Request request, OutputForm form) {
    EvaluateConfig config = loader().evaluate(request.configFile(), request.arguments()).config();
    SparkSession spark = inferenceSession("evaluate");
    try {
      EvaluationReport report = new EvaluateJob(spark).run(config);
      out.print(form == OutputForm.JSON ? report.json() : report.summary());
      out.flush();
    } finally {
      spark.stop();
    }
  }

  @Override
  public void merge(Request request) {
    MergeConfig config = loader().merge(request.configFile(), request.arguments()).config();
    Store store = store();
    Optional<ModelPush> push = ModelPush.prepare(config, store);
    ModelFolders folders = new ModelFolders(store);
    Optional<String> adapter = config.adapter().map(folders::adapter);
    MergeRequest merge =
        new MergeRequest(
            new Path(folders.model(config.modelId(), HubId.MAIN)),
            adapter.map(Path::new),
            new Path(config.output()),
            RunOfAdapter.base(config.base(), adapter, store),
            config.dtype().map(PipelineJobs::dtype),
            config.maxShardSize());
    switch (config.format()) {
      case SAFETENSORS -> new Merge(store).run(merge);
      case ADAPTER -> new Merge(store).copyAdapter(merge);
      case GGUF_F16 -> new GgufExport(store).run(merge, GgufExport.Type.F16);
      case GGUF_Q8_0 -> new GgufExport(store).run(merge, GgufExport.Type.Q8_0);
    }
    out.println("Merged: " + config.output());
    push.ifPresent(to -> out.println("Sent: " + to.run(adapter)));
  }

  private static DType dtype(WeightType type) {
    return switch (type) {
      case FLOAT32 -> DType.F32;
      case BFLOAT16 -> DType.BF16;
      case FLOAT16 -> DType.F16;
    };
  }

  private static SparkSession inferenceSession(String command) {
    SparkConf conf = Sessions.named(command);
    ExecutorSettings.applyForInference(conf);
    return Sessions.start(conf);
  }

  @Override
  public List<String> plan(PlanRequest request) {
    return new PlanJob(request, store()).run();
  }

  @Override
  public Checked check(Request request, OutputForm output) {
    Loaded<TrainConfig> loaded = loader().train(request.configFile(), request.arguments());
    SparkConf conf = Sessions.named("check");
    List<SparkSession> started = new ArrayList<>();
    Supplier<SparkSession> spark =
        () -> {
          ExecutorSettings.apply(conf, loaded.config().parallelism().numRanks());
          SparkSession session = Sessions.start(ExecutorSettings.forCheck(conf));
          started.add(session);
          return session;
        };
    try {
      CheckReport report = new TrainCheck(loaded, store()).run(conf, spark);
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
    return ConfigLoader.ofUser(store().hadoop());
  }

  private static CheckText.Style terminal() {
    boolean colour = System.console() != null && System.getenv("NO_COLOR") == null;
    return colour ? CheckText.Style.COLOUR : CheckText.Style.PLAIN;
  }

  /**
   * A file that a key names, as text.
   *
   * @throws UserError if it is not there
   */
  static String text(String key, String file, Store store) {
    return store
        .read(new Path(file))
        .map(bytes -> new String(bytes, StandardCharsets.UTF_8))
        .orElseThrow(() -> new UserError("%s: there is no file '%s'.".formatted(key, file)));
  }

  /** What a session would use; there is none yet, since the configuration shapes it. */
  static Store store() {
    Configuration hadoop = new Configuration();
    System.getProperties()
        .forEach(
            (key, value) -> {
              if (key instanceof String name && name.startsWith(HADOOP_PREFIX)) {
                hadoop.set(name.substring(HADOOP_PREFIX.length()), value.toString());
              }
            });
    return new Store(hadoop);
  }
}
