package org.sparkfinetune.spark.generate;

import java.io.Serializable;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.apache.hadoop.fs.Path;
import org.apache.spark.SparkEnv;
import org.apache.spark.TaskContext;
import org.apache.spark.util.LongAccumulator;
import org.apache.spark.util.TaskCompletionListener;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.config.ModelChoice;
import org.sparkfinetune.config.ModelChoice.MergeBase;
import org.sparkfinetune.config.Sampling;
import org.sparkfinetune.config.TrainConfig.DeviceChoice;
import org.sparkfinetune.data.conversation.Conversation;
import org.sparkfinetune.data.template.ChatTemplate;
import org.sparkfinetune.data.tokenize.ChatTemplates;
import org.sparkfinetune.data.tokenize.ConversationTokenizer;
import org.sparkfinetune.data.tokenize.LlamaTokenizer;
import org.sparkfinetune.data.tokenize.LossExtent.LossTarget;
import org.sparkfinetune.data.tokenize.TokenizerFiles;
import org.sparkfinetune.engine.tensor.ComputeDevice;
import org.sparkfinetune.engine.tensor.Torch;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.inference.generate.BaseWeights;
import org.sparkfinetune.inference.generate.DecodingModel;
import org.sparkfinetune.inference.generate.DecodingModel.BaseForm;
import org.sparkfinetune.inference.generate.DeviceModel;
import org.sparkfinetune.inference.generate.DeviceModel.Numbers;
import org.sparkfinetune.inference.generate.GenerationSettings;
import org.sparkfinetune.inference.generate.Generator;
import org.sparkfinetune.inference.generate.PackedWeights;
import org.sparkfinetune.inference.generate.StopTokens;
import org.sparkfinetune.inference.generate.TextGenerator;
import org.sparkfinetune.progress.Progress;
import org.sparkfinetune.spark.cluster.MemoryBesideHeap;
import org.sparkfinetune.spark.cluster.TaskDevice;
import org.sparkfinetune.spark.model.ModelFolders;
import org.sparkfinetune.spark.model.RunOfAdapter;
import org.sparkfinetune.store.Store;

/**
 * A model with its tokenizer, template and settings. Broadcast to executors, it is loaded once in
 * each JVM for all tasks there, and copied once to each GPU that tasks have; it lives as long as
 * the broadcast. Models over one base share its weights on the host.
 */
public final class AnsweringModel implements Serializable, AutoCloseable {
  private static final long serialVersionUID = 1L;
  private static final Logger LOG = LoggerFactory.getLogger(AnsweringModel.class);

  private final String modelId;
  private final String adapter;
  private final BaseForm form;
  private final TokenizerFiles files;
  private final ChatTemplate template;
  private final GenerationSettings settings;
  private final List<String> stop;
  private final int batchSize;
  private final DeviceChoice device;
  private final Numbers numbers;
  private final Store store;
  private transient @Nullable Open open;

  /**
   * @param packed for products of tasks on the processor, if they are worth it
   * @param onDevices by what a task computes on; empty for processors
   */
  private record Open(
      BaseWeights base,
      DecodingModel model,
      Optional<PackedWeights> packed,
      LlamaTokenizer tokenizer,
      Map<ComputeDevice, OnDevice> onDevices) {}

  private record OnDevice(Torch torch, DeviceModel model) {
    static OnDevice of(DecodingModel model, Numbers numbers, ComputeDevice device, int threads) {
      Torch torch = Torch.start(threads, device);
      try {
        return new OnDevice(torch, DeviceModel.of(model, torch, numbers));
      } catch (RuntimeException e) {
        torch.close();
        throw e;
      }
    }

    void close() {
      model.close();
      torch.close();
    }
  }

  private AnsweringModel(
      ModelChoice model,
      BaseForm form,
      TokenizerFiles files,
      ChatTemplate template,
      GenerationSettings settings,
      Sampling sampling,
      Numbers numbers,
      Store store) {
    this.modelId = model.modelId();
    this.adapter = model.adapter().orElse("");
    this.form = form;
    this.files = files;
    this.template = template;
    this.settings = settings;
    this.stop = sampling.stop();
    this.batchSize = sampling.batchSize();
    this.device = sampling.device();
    this.numbers = numbers;
    this.store = store;
  }

  private AnsweringModel(AnsweringModel other, GenerationSettings settings) {
    this.modelId = other.modelId;
    this.adapter = other.adapter;
    this.form = other.form;
    this.files = other.files;
    this.template = other.template;
    this.settings = settings;
    this.stop = other.stop;
    this.batchSize = other.batchSize;
    this.device = other.device;
    this.numbers = other.numbers;
    this.store = other.store;
  }

  /** The same model, not loaded, with answers of another length. */
  public AnsweringModel withMaxNewTokens(int maxNewTokens) {
    return new AnsweringModel(
        this,
        new GenerationSettings(
            maxNewTokens, settings.choice(), settings.repetitionPenalty(), settings.stopIds()));
  }

  /**
   * How many tokens the longest answer has with what the template ends it with.
   *
   * @param answered conversations that end with an answer
   */
  public int longestAnswer(List<Conversation> answered) {
    try (LlamaTokenizer tokenizer = LlamaTokenizer.of(files)) {
      ConversationTokenizer conversations =
          new ConversationTokenizer(tokenizer, template, LossTarget.EVERY_TOKEN);
      return answered.stream().mapToInt(conversations::answerLength).max().orElse(0);
    }
  }

  /**
   * Reads what is small; weights are loaded by {@link #newGenerator}.
   *
   * @throws UserError if model, adapter or tokenizer are not there or do not fit together: here,
   *     once, and not from every task
   */
  public static AnsweringModel of(ModelChoice named, Sampling sampling, Store store) {
    ModelChoice model = new ModelFolders(store).located(named);
    String tokenizer = model.tokenizer().orElse(model.modelId());
    TokenizerFiles files = TokenizerFiles.load(new Path(tokenizer), store);
    ChatTemplate template = ChatTemplates.choose(RunOfAdapter.template(model, store), files, store);
    Set<Integer> stopIds;
    try (LlamaTokenizer made = LlamaTokenizer.of(files)) {
      stopIds = StopTokens.of(made, new Path(model.modelId()), store);
    }
    BaseForm form = form(model, store);
    DecodingModel.check(new Path(model.modelId()), model.adapter().map(Path::new), form, store);
    Numbers numbers =
        sampling.bf16() && !RunOfAdapter.computesInFloat32(model, store)
            ? Numbers.OF_THE_WEIGHTS
            : Numbers.FLOAT32;
    return new AnsweringModel(
        model, form, files, template, settings(sampling, stopIds), sampling, numbers, store);
  }

  private static BaseForm form(ModelChoice model, Store store) {
    MergeBase base = RunOfAdapter.base(model.base(), model.adapter(), store);
    return switch (base) {
      case SIXTEEN_BIT -> BaseForm.AS_STORED;
      case DEQUANTIZED ->
          RunOfAdapter.computesInFloat32(model, store) ? BaseForm.NF4_FLOAT32 : BaseForm.NF4;
    };
  }

  private static GenerationSettings settings(Sampling sampling, Set<Integer> stopIds) {
    GenerationSettings.Choice choice =
        sampling.doSample()
            ? new GenerationSettings.Sampled(
                sampling.temperature(), sampling.topK(), sampling.topP(), sampling.seed())
            : new GenerationSettings.Greedy();
    return new GenerationSettings(
        sampling.maxNewTokens(), choice, sampling.repetitionPenalty(), stopIds);
  }

  /** Of the adapter's folder, or else the model's. */
  public String name() {
    return adapter.isEmpty() ? modelId : adapter;
  }

  /** The most answers that are worth giving to a generator at once. */
  int chunk() {
    return 8 * batchSize;
  }

  /** A generator of this thread's own over the JVM's one model; loading it is shown. */
  public TextGenerator newGenerator(int threads) {
    try (Progress progress = Progress.onStandardError("load", layers(), Progress.Unit.LAYERS)) {
      return generator(open(threads, () -> progress.add(1)), threads);
    }
  }

  private TextGenerator generator(Open made, int threads) {
    return new TextGenerator(decoding(made, threads), made.tokenizer(), template, settings, stop);
  }

  private Generator decoding(Open made, int threads) {
    ComputeDevice chosen = chosen(made.model());
    if (chosen.sharesHostMemory()) {
      return new Generator(made.model(), made.packed(), threads, batchSize);
    }
    synchronized (this) {
      OnDevice there =
          made.onDevices()
              .computeIfAbsent(chosen, gpu -> OnDevice.of(made.model(), numbers, gpu, threads));
      return new Generator(there.model(), batchSize);
    }
  }

  private ComputeDevice chosen(DecodingModel model) {
    return TaskDevice.choose(device, DeviceModel.computesInBfloat16(model, numbers));
  }

  /**
   * The same, closed when the Spark task that this thread runs has ended.
   *
   * @param layersLoaded counts layers, if this task loads the model
   */
  public TextGenerator newTaskGenerator(int threads, LongAccumulator layersLoaded) {
    TextGenerator generator = generator(open(threads, () -> add(layersLoaded)), threads);
    TaskContext.get()
        .addTaskCompletionListener((TaskCompletionListener) context -> generator.close());
    return generator;
  }

  /** By the threads that load, one at a time. */
  private static void add(LongAccumulator layers) {
    synchronized (layers) {
      layers.add(1);
    }
  }

  public int layers() {
    return DecodingModel.layers(new Path(modelId), store);
  }

  private synchronized Open open(int threads, Runnable layerLoaded) {
    Open made = open;
    if (made == null) {
      long started = System.nanoTime();
      made = load(threads, layerLoaded);
      LOG.info(
          "Loaded {} ({}) in {} s.",
          modelId,
          form,
          String.format(Locale.ROOT, "%.1f", (System.nanoTime() - started) * 1e-9));
      open = made;
    }
    return made;
  }

  private Open load(int threads, Runnable layerLoaded) {
    Optional<Path> with = Optional.of(adapter).filter(path -> !path.isEmpty()).map(Path::new);
    BaseWeights base = BaseWeights.shared(new Path(modelId), form, store);
    try {
      DecodingModel model = base.with(with, threads, layerLoaded);
      return new Open(
          base, model, packed(model, threads), LlamaTokenizer.of(files), new HashMap<>());
    } catch (RuntimeException e) {
      base.close();
      throw e;
    }
  }

  /** What the driver answers is too little to start libtorch for. */
  private Optional<PackedWeights> packed(DecodingModel model, int threads) {
    if (TaskContext.get() == null || !chosen(model).sharesHostMemory()) {
      return Optional.empty();
    }
    long room = MemoryBesideHeap.room(SparkEnv.get().conf());
    Optional<String> objection = PackedWeights.objection(model, numbers, batchSize, room);
    try {
      Optional<PackedWeights> packed =
          objection.isEmpty() ? Optional.of(PackedWeights.of(model, threads)) : Optional.empty();
      LOG.info(
          "Layers' products are {}.",
          objection.map(why -> "by vectors, in float32: " + why).orElse("libtorch's, in bfloat16"));
      return packed;
    } catch (RunFailure e) {
      LOG.warn("Answers are decoded without libtorch, more slowly: {}", e.getMessage());
      return Optional.empty();
    }
  }

  @Override
  public synchronized void close() {
    Open made = open;
    if (made != null) {
      made.onDevices().values().forEach(OnDevice::close);
      made.packed().ifPresent(PackedWeights::close);
      made.model().close();
      made.base().close();
      made.tokenizer().close();
      open = null;
    }
  }
}
