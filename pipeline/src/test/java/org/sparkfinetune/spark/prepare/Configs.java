package org.sparkfinetune.spark.prepare;

import java.nio.file.Path;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import org.sparkfinetune.config.CsvFormat;
import org.sparkfinetune.config.PrepareConfig;
import org.sparkfinetune.config.PrepareConfig.DatasetKind;
import org.sparkfinetune.config.PrepareConfig.OutputFormat;
import org.sparkfinetune.config.PrepareConfig.TestSize;
import org.sparkfinetune.config.PrepareConfig.TokenCounting;
import org.sparkfinetune.config.Source;
import org.sparkfinetune.config.SparkSource;

/** Configurations for tests, changed from the defaults step by step. */
final class Configs {
  private DatasetKind dataset = DatasetKind.SQL_CREATE_CONTEXT;
  private List<String> input = List.of();
  private Optional<List<String>> testInput = Optional.empty();
  private String output;
  private Optional<String> table = Optional.empty();
  private long seed = 42;
  private OptionalLong numSamples = OptionalLong.empty();
  private TestSize testSize = new TestSize.Fraction(0.2);
  private Optional<Map<String, String>> template = Optional.empty();
  private Optional<String> systemMessage = Optional.empty();
  private Optional<String> stratifyBy = Optional.empty();
  private boolean deduplicate;
  private EnumSet<OutputFormat> formats = EnumSet.allOf(OutputFormat.class);
  private double maxRejected = 0.01;
  private boolean overwrite;
  private Optional<TokenCounting> tokens = Optional.empty();
  private CsvFormat csv = CsvFormat.RFC_4180;
  private SparkSource source = SparkSource.NONE;
  private List<String> excludeIds = List.of();
  private List<Source> sources = List.of();

  private Configs(Path output) {
    this.output = output.toString();
  }

  static Configs to(Path output) {
    return new Configs(output);
  }

  Configs dataset(DatasetKind kind) {
    dataset = kind;
    return this;
  }

  Configs input(String... paths) {
    input = List.of(paths);
    return this;
  }

  Configs sources(Source... some) {
    sources = List.of(some);
    return this;
  }

  Configs testInput(String... paths) {
    testInput = Optional.of(List.of(paths));
    testSize = new TestSize.Rows(0);
    return this;
  }

  Configs sql(String query) {
    source = new SparkSource(Optional.of(query), Optional.empty(), Optional.empty());
    return this;
  }

  Configs format(String name, Map<String, String> options) {
    source =
        new SparkSource(
            Optional.empty(),
            Optional.of(name),
            Optional.of(options).filter(some -> !some.isEmpty()));
    return this;
  }

  Configs excludeIds(String... idsOrFiles) {
    excludeIds = List.of(idsOrFiles);
    return this;
  }

  Configs table(String name) {
    table = Optional.of(name);
    return this;
  }

  /** Another output, by URI. */
  Configs at(String uri) {
    output = uri;
    return this;
  }

  Configs seed(long value) {
    seed = value;
    return this;
  }

  Configs numSamples(long rows) {
    numSamples = OptionalLong.of(rows);
    return this;
  }

  Configs testRows(long rows) {
    testSize = new TestSize.Rows(rows);
    return this;
  }

  Configs testFraction(double fraction) {
    testSize = new TestSize.Fraction(fraction);
    return this;
  }

  Configs template(Map<String, String> texts) {
    template = Optional.of(texts);
    return this;
  }

  Configs systemMessage(String text) {
    systemMessage = Optional.of(text);
    return this;
  }

  Configs stratifyBy(String column) {
    stratifyBy = Optional.of(column);
    return this;
  }

  Configs deduplicate() {
    deduplicate = true;
    return this;
  }

  Configs formats(OutputFormat only) {
    formats = EnumSet.of(only);
    return this;
  }

  Configs maxRejected(double fraction) {
    maxRejected = fraction;
    return this;
  }

  Configs overwrite() {
    overwrite = true;
    return this;
  }

  Configs tokens(int maxSeqLength) {
    tokens = Optional.of(new TokenCounting("unused", Optional.empty(), maxSeqLength));
    return this;
  }

  Configs csv(CsvFormat format) {
    csv = format;
    return this;
  }

  PrepareConfig config() {
    return new PrepareConfig(
        Optional.of(dataset).filter(kind -> sources.isEmpty()),
        sources.isEmpty() ? input : List.of(),
        testInput,
        new PrepareConfig.Output(output, table),
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
        tokens,
        csv,
        source,
        excludeIds,
        sources);
  }
}
