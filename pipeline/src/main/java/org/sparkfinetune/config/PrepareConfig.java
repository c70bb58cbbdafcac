package org.sparkfinetune.config;

import com.fasterxml.jackson.annotation.JsonProperty;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.sparkfinetune.config.Key.Meaning;
import org.sparkfinetune.errors.UserError;

/**
 * Everything that {@code prepare} was asked for.
 *
 * @param dataset of the only input; the sources of a mixture have their own
 * @param input empty beside {@code sql}, or where the options of a format say all
 * @param testInput if given, {@code testSize} is {@code Rows(0)}
 * @param testSize {@code Rows(0)}: nothing is cut off
 * @param template role to text, in the order written; present exactly for {@link
 *     DatasetKind#TEMPLATE}
 * @param tokens empty: the report counts none
 */
public record PrepareConfig(
    @Key(doc = "the converter of the rows; required without sources") Optional<DatasetKind> dataset,
    @Key(
            otherwise = Key.EMPTY,
            meaning = Meaning.PATH_AS_WRITTEN,
            allowed = Source.INPUT,
            doc = Source.INPUT)
        List<String> input,
    @Key(
            meaning = Meaning.PATH_AS_WRITTEN,
            allowed = Source.INPUT,
            doc = "a ready test split; then no test_size")
        Optional<List<String>> testInput,
    @Key(doc = "the folder to write, and a table besides if wanted") Output output,
    @Key(otherwise = "42", range = "[0,)", doc = "seed of the shuffle") long seed,
    @Key(doc = "rows to take; without it all") OptionalLong numSamples,
    @Key(otherwise = "0.2", doc = "rows or fraction for the test split; none with test_input")
        TestSize testSize,
    @Key(doc = "replaces the converter's system message") Optional<String> systemMessage,
    @Key(
            allowed = Source.TEMPLATE,
            fields = {"user", "assistant", "system?"},
            doc = "columns into messages: a text for each role")
        Optional<Map<String, String>> template,
    @Key(allowed = "a column", doc = "keep a column's shares in both splits")
        Optional<String> stratifyBy,
    @Key(otherwise = "false", doc = "drop repeated conversations") boolean deduplicate,
    @Key(otherwise = "parquet,json", doc = "what to write") Set<OutputFormat> formats,
    @Key(
            otherwise = "0.01",
            range = "[0,1]",
            doc = "fraction of rows that may be rejected before the job fails")
        double maxRejected,
    @Key(otherwise = "false", doc = "replace an existing output") boolean overwrite,
    Optional<TokenCounting> tokens,
    CsvFormat csv,
    SparkSource source,
    @Key(
            after = "stratify_by",
            otherwise = Key.EMPTY,
            meaning = Meaning.PATH_AS_WRITTEN,
            allowed = "ids of conversations, or a file with one id a line",
            doc = "conversations to leave out: ids, or a file of them")
        List<String> excludeIds,
    @Key(
            after = "options",
            otherwise = Key.EMPTY,
            doc = "a mixture: several inputs in place of dataset and input, each with a weight")
        List<Source> sources) {

  public PrepareConfig {
    KeyTable.check(
        PrepareConfig.class,
        dataset,
        input,
        testInput,
        output,
        seed,
        numSamples,
        testSize,
        systemMessage,
        template,
        stratifyBy,
        deduplicate,
        formats,
        maxRejected,
        overwrite,
        excludeIds,
        sources);
    input = List.copyOf(input);
    testInput = testInput.map(List::copyOf);
    excludeIds = List.copyOf(excludeIds);
    template = template.map(texts -> Collections.unmodifiableMap(new LinkedHashMap<>(texts)));
    formats = Collections.unmodifiableSet(new TreeSet<>(formats));
    sources = List.copyOf(sources);
    if (!sources.isEmpty()) {
      Source.checkNames(sources);
      refuseBesideSources(
          List.of(
              dataset.isPresent() ? "dataset" : "",
              input.isEmpty() ? "" : "input",
              testInput.isPresent() ? "test_input" : "",
              systemMessage.isPresent() ? "system_message" : "",
              template.isPresent() ? "template" : "",
              csv.equals(CsvFormat.RFC_4180) ? "" : "delimiter, quote or escape",
              source.equals(SparkSource.NONE) ? "" : "sql, format or options"));
    } else {
      Source unused = onlySource(dataset, input, systemMessage, template, csv, source);
      source.check(testInput.orElse(List.of()));
    }
  }

  private static void refuseBesideSources(List<String> keys) {
    List<String> given = keys.stream().filter(key -> !key.isEmpty()).toList();
    if (!given.isEmpty()) {
      throw new UserError(
          "sources is given, and %s too; beside sources no key tells how rows are read: write it in the source that it is for"
              .formatted(String.join(", ", given)));
    }
  }

  private static Source onlySource(
      Optional<DatasetKind> dataset,
      List<String> input,
      Optional<String> systemMessage,
      Optional<Map<String, String>> template,
      CsvFormat csv,
      SparkSource source) {
    return new Source(
        "all",
        dataset.orElseThrow(
            () ->
                new UserError(
                    "prepare needs dataset, the converter of the rows; or sources, a mixture")),
        input,
        systemMessage,
        template,
        Optional.empty(),
        OptionalLong.empty(),
        csv,
        source);
  }

  /** Whether several sources are mixed, so that conversations say which they are from. */
  public boolean isMixture() {
    return !sources.isEmpty();
  }

  /** What is read: the sources, or the only one, whose name means nothing. */
  public List<Source> read() {
    return isMixture()
        ? sources
        : List.of(onlySource(dataset, input, systemMessage, template, csv, source));
  }

  /** For messages: what says how rows become conversations. */
  public String converters() {
    return isMixture()
        ? sources.stream()
            .map(one -> "%s: %s".formatted(one.name(), one.dataset().text()))
            .collect(Collectors.joining(", "))
        : read().get(0).dataset().text();
  }

  /** No test split is cut off beside a ready one; tokens are counted with a tokenizer only. */
  static Values resolved(Values values) {
    List<String> problems = new ArrayList<>();
    if (values.value("tokenizer").isEmpty()) {
      for (String key : List.of("chat_template", "max_seq_length")) {
        if (values.isChanged(key)) {
          problems.add(
              values.where(key)
                  + "%s is for counting tokens in the report, which needs the key tokenizer too"
                      .formatted(key));
        }
      }
    }
    if (values.value("test_input").isEmpty()) {
      return values.with(problems);
    }
    TestSize none = new TestSize.Rows(0);
    if (!values.where("test_size").isEmpty()
        && !values.value("test_size").equals(Optional.of(none))) {
      problems.add(
          values.where("test_size")
              + "test_size cuts a test split, but test_input names a ready one; keep one of the"
              + " two");
    }
    return values.with(problems).with("test_size", none);
  }

  /**
   * Where the data set goes.
   *
   * @param table a table that gets the rows besides
   */
  public record Output(String folder, Optional<String> table) {

    /** As written: a folder, a table, or both; a table alone has a folder of its name. */
    static Optional<Output> of(List<String> texts) {
      List<String> tables =
          texts.stream().filter(text -> text.startsWith(SparkSource.TABLE)).toList();
      List<String> folders = texts.stream().filter(text -> !tables.contains(text)).toList();
      Optional<String> table =
          tables.stream().findFirst().map(text -> text.substring(SparkSource.TABLE.length()));
      Optional<String> folder =
          folders.stream().findFirst().or(() -> table.map(name -> name.replace("`", "")));
      boolean possible =
          folders.size() <= 1
              && tables.size() <= 1
              && folder.filter(name -> !name.isBlank()).isPresent();
      return folder.filter(name -> possible).map(name -> new Output(name, table));
    }

    /** As in YAML. */
    Object plain() {
      return table.isEmpty() ? folder : List.of(folder, SparkSource.TABLE + table.get());
    }
  }

  /** Which converter turns a row into a conversation. */
  public enum DatasetKind implements KeyTable.Choice {
    @JsonProperty("sql-create-context")
    SQL_CREATE_CONTEXT,
    NO_ROBOTS,
    /** OpenAI's shape: {@code messages} of role and content. */
    MESSAGES,
    /** {@code conversations} of from and value. */
    SHAREGPT,
    /** instruction, input, output. */
    ALPACA,
    /** prompt, completion. */
    INSTRUCTION,
    /** prompt, chosen, rejected: two answers, for training with {@code objective: dpo}. */
    PREFERENCE,
    /** Columns put into messages by {@code template}. */
    TEMPLATE
  }

  /** What prepare writes. */
  public enum OutputFormat implements KeyTable.Choice {
    PARQUET,
    /** One object a line, the reference's bytes. */
    JSON
  }

  /** How much of the data becomes the test split. */
  public sealed interface TestSize {

    /** As in YAML. */
    default Number number() {
      return this instanceof Fraction some ? (Number) some.fraction() : ((Rows) this).rows();
    }

    default boolean isPossible() {
      return this instanceof Fraction some
          ? some.fraction() > 0 && some.fraction() < 1
          : ((Rows) this).rows() >= 0;
    }

    /** That many rows; 0 for no test split. */
    record Rows(long rows) implements TestSize {}

    /** That share of the rows taken, between 0 and 1, both excluded. */
    record Fraction(double fraction) implements TestSize {}
  }

  /** What the report counts tokens with. */
  public record TokenCounting(
      @Key(
              allowed = "a folder, a Hadoop URI or a hub id (owner/name)",
              doc = "counts tokens in the report")
          String tokenizer,
      @Key(
              meaning = Meaning.CHAT_TEMPLATE,
              doc =
                  "that of the training to come, for the report; without it the tokenizer's, if it"
                      + " has one, else reference")
          Optional<String> chatTemplate,
      @Key(
              alias = "max_seq_len",
              otherwise = "512",
              range = "[2,)",
              doc = "that of the training to come, for the report")
          int maxSeqLength) {
    public TokenCounting {
      KeyTable.check(TokenCounting.class, tokenizer, chatTemplate, maxSeqLength);
    }
  }
}
