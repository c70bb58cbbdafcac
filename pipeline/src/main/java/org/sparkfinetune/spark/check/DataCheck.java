package org.sparkfinetune.spark.check;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.apache.hadoop.fs.Path;
import org.apache.spark.sql.SparkSession;
import org.sparkfinetune.config.TrainConfig;
import org.sparkfinetune.config.TrainConfig.Method;
import org.sparkfinetune.config.TrainConfig.ModelSource;
import org.sparkfinetune.config.TrainingData;
import org.sparkfinetune.config.TrainingData.Overlong;
import org.sparkfinetune.data.conversation.Conversation;
import org.sparkfinetune.data.template.ChatTemplate;
import org.sparkfinetune.data.tokenize.ChatTemplates;
import org.sparkfinetune.data.tokenize.ConversationTokenizer;
import org.sparkfinetune.data.tokenize.ConversationTokenizer.TokenizedSample;
import org.sparkfinetune.data.tokenize.LlamaTokenizer;
import org.sparkfinetune.data.tokenize.LossExtent.LossTarget;
import org.sparkfinetune.data.tokenize.Packer;
import org.sparkfinetune.data.tokenize.Packer.Packing;
import org.sparkfinetune.data.tokenize.Packer.PackingReport;
import org.sparkfinetune.data.tokenize.Packer.SampleLengths;
import org.sparkfinetune.data.tokenize.PairTokenizer;
import org.sparkfinetune.engine.metrics.MaskedSample;
import org.sparkfinetune.engine.train.EmbeddingRows;
import org.sparkfinetune.model.family.DecoderConfig;
import org.sparkfinetune.spark.check.CheckReport.CheckLine;
import org.sparkfinetune.spark.dataset.DatasetSplit;
import org.sparkfinetune.spark.model.ModelAndTokenizer;
import org.sparkfinetune.spark.tokenize.ChunkConversations;
import org.sparkfinetune.spark.tokenize.SampleMasks;
import org.sparkfinetune.spark.train.DataWarning;
import org.sparkfinetune.spark.train.TrainPreflight;
import org.sparkfinetune.store.Store;

/** The first conversations, really tokenised: lengths, masks, special tokens. */
final class DataCheck {
  private static final String DATA = "data";
  private static final int SHOWN = 2;

  private final SparkSession spark;
  private final TrainConfig config;
  private final Store store;
  private final ModelAndTokenizer model;
  private final Optional<ModelSource> source;

  /**
   * @param source where the weights are, if they are here
   */
  DataCheck(
      SparkSession spark,
      TrainConfig config,
      Store store,
      ModelAndTokenizer model,
      Optional<ModelSource> source) {
    this.source = source;
    this.spark = spark;
    this.config = config;
    this.store = store;
    this.model = model;
  }

  CheckReport run() {
    Optional<String> missing = TrainPreflight.missingData(config, store);
    if (missing.isPresent()) {
      return new CheckReport(
          List.of(
              CheckLine.warned(
                  DATA, missing.get(), "train goes on with the rows that its run began with.")),
          List.of());
    }
    List<CheckLine> lines = new ArrayList<>();
    List<MaskedSample> shown = new ArrayList<>();
    TrainingData data = config.data();
    List<Conversation> conversations = firstConversations(data);
    lines.addAll(test(data));
    ChatTemplate template = ChatTemplates.choose(data.chatTemplate(), model.tokenizer(), store);
    lines.add(CheckLine.passed("template", "chat template: " + template.name()));
    try (LlamaTokenizer tokenizer = LlamaTokenizer.of(model.tokenizer())) {
      ConversationTokenizer tokenizing =
          new ConversationTokenizer(tokenizer, template, LossTarget.of(data));
      List<TokenizedSample> samples =
          data.isPreference()
              ? pairs(tokenizing, conversations)
              : conversations.stream().map(tokenizing::tokenize).toList();
      warned(
          "template",
          DataWarning.cutAnswers(conversations, template, model.tokenizer().specialTokens()),
          lines);
      lines.addAll(lengths(samples));
      warned(DATA, DataWarning.tooLong(packing(samples), data, model.model()), lines);
      lines.addAll(specialTokens(samples, tokenizer));
      samples.stream().limit(SHOWN).forEach(s -> shown.add(SampleMasks.of(s, tokenizer)));
    }
    return new CheckReport(lines, shown);
  }

  private static List<TokenizedSample> pairs(
      ConversationTokenizer tokenizer, List<Conversation> conversations) {
    PairTokenizer pairs = new PairTokenizer(tokenizer);
    return conversations.stream()
        .map(pairs::tokenize)
        .flatMap(pair -> Stream.of(pair.chosen(), pair.rejected()))
        .toList();
  }

  private static void warned(String subject, Optional<DataWarning> warning, List<CheckLine> lines) {
    warning.ifPresent(w -> lines.add(CheckLine.warned(subject, w.what(), w.advice())));
  }

  /** As training packs them. */
  private PackingReport packing(List<TokenizedSample> samples) {
    TrainingData data = config.data();
    Overlong overlong = data.overlong() == Overlong.ERROR ? Overlong.DROP : data.overlong();
    SampleLengths lengths =
        new SampleLengths(
            samples.stream().mapToInt(TokenizedSample::length).toArray(),
            samples.stream().mapToInt(TokenizedSample::firstTrained).toArray());
    return new Packer(data.maxSeqLength(), Packing.of(data.packs()), overlong)
        .pack(lengths)
        .report();
  }

  private List<Conversation> firstConversations(TrainingData data) {
    DatasetSplit split = DatasetSplit.train(new Path(data.datasetPath()), store);
    List<Conversation> conversations =
        ChunkConversations.first(spark, split, DataWarning.CONVERSATIONS);
    if (conversations.isEmpty()) {
      throw split.empty(data.datasetPath());
    }
    return conversations;
  }

  /** A test split without a conversation, where evaluation needs one. */
  private List<CheckLine> test(TrainingData data) {
    return DatasetSplit.find(new Path(data.datasetPath()), DatasetSplit.TEST, store)
        .filter(
            split ->
                config.reporting().evaluates()
                    && ChunkConversations.first(spark, split, 1).isEmpty())
        .map(split -> CheckLine.failed(DATA, split.empty(data.datasetPath())))
        .stream()
        .toList();
  }

  private List<CheckLine> lengths(List<TokenizedSample> samples) {
    int[] lengths = samples.stream().mapToInt(TokenizedSample::length).sorted().toArray();
    int most = config.data().maxSeqLength();
    long tooLong = samples.stream().filter(sample -> sample.length() > most).count();
    long nothing = samples.stream().filter(sample -> sample.trainedTokens() == 0).count();
    List<CheckLine> lines = new ArrayList<>();
    String found =
        "the first %s %s have %s to %s tokens, half of them at most %s"
            .formatted(
                samples.size(),
                config.data().isPreference() ? "sequences of pairs" : "conversations",
                lengths[0],
                lengths[lengths.length - 1],
                lengths[lengths.length / 2]);
    lines.add(
        tooLong == 0
            ? CheckLine.passed(DATA, found)
            : CheckLine.warned(
                DATA,
                "%s; %s are longer than max_seq_length: %s".formatted(found, tooLong, most),
                "They are treated as overlong says (drop, truncate, split, error); raise"
                    + " max_seq_length to keep them whole."));
    if (nothing > 0) {
      String what = "%s of them have no token with a loss".formatted(nothing);
      String advice = "Change chat_template or assistant_only_loss.";
      lines.add(
          nothing == samples.size()
              ? CheckLine.failed(DATA, what, advice)
              : CheckLine.warned(DATA, what, advice));
    }
    return lines;
  }

  private List<CheckLine> specialTokens(List<TokenizedSample> samples, LlamaTokenizer tokenizer) {
    Set<Integer> used = new TreeSet<>();
    for (TokenizedSample sample : samples) {
      for (int id : sample.ids()) {
        if (tokenizer.isSpecial(id)) {
          used.add(id);
        }
      }
    }
    boolean trainsEmbedding =
        config.method() == Method.FULL || config.lora().modulesToSave().contains("embed_tokens");
    if (source.isEmpty()) {
      return List.of();
    }
    Set<Integer> frozen = new TreeSet<>(used);
    config
        .lora()
        .options()
        .trainableTokenIndices()
        .ifPresent(tokens -> frozen.removeAll(tokens.ids()));
    List<Integer> untrained =
        UntrainedTokens.of(frozen, source.get().folder(), model.model(), store);
    if (untrained.isEmpty() || trainsEmbedding) {
      return List.of(
          CheckLine.passed(
              "special tokens", used.size() + " are used, and all of them can be learnt from"));
    }
    List<String> texts = untrained.stream().map(tokenizer::decode).toList();
    return List.of(
        CheckLine.warned(
            "special tokens",
            "the template uses %s, which this model has never been trained on: their embeddings are empty"
                .formatted(String.join(", ", texts)),
            "Add trainable_token_indices: "
                + untrained
                + " or modules_to_save: [embed_tokens, lm_head], take the instruct model, or another"
                + " chat_template."));
  }

  /**
   * Special tokens that a base model has never seen: their rows of the embedding are (nearly) zero
   * where others are not, so a template that uses them trains on noise unless the embedding is
   * trained too.
   */
  static final class UntrainedTokens {
    /** Ordinary rows that are looked at for comparison. */
    private static final int COMPARED = 64;

    private static final double MUCH_SMALLER = 0.05;

    private UntrainedTokens() {}

    /** Those of {@code ids} whose embedding is untrained. */
    static List<Integer> of(
        Collection<Integer> ids, String modelFolder, DecoderConfig model, Store store) {
      try (EmbeddingRows rows = EmbeddingRows.open(new Path(modelFolder), store)) {
        double[] norms = new double[COMPARED];
        for (int i = 0; i < COMPARED; i++) {
          norms[i] =
              rows.norm((int) ((long) model.vocabSize() * i / COMPARED / 2), model.hiddenSize());
        }
        Arrays.sort(norms);
        double ordinary = norms[COMPARED / 2];
        return new TreeSet<>(ids)
            .stream()
                .filter(id -> rows.norm(id, model.hiddenSize()) < MUCH_SMALLER * ordinary)
                .toList();
      }
    }
  }
}
