package org.sparkfinetune.spark.tokenize;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.apache.commons.codec.digest.DigestUtils;
import org.apache.spark.api.java.function.MapPartitionsFunction;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.StructType;
import org.sparkfinetune.config.TrainingData;
import org.sparkfinetune.data.conversation.EncodedConversation;
import org.sparkfinetune.data.template.ChatTemplate;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.spark.dataset.ConversationCoder;
import org.sparkfinetune.spark.dataset.DatasetSplit;
import org.sparkfinetune.spark.dataset.RowsHash;
import org.sparkfinetune.spark.tokenize.ChunkConversations.Chunk;
import org.sparkfinetune.spark.tokenize.TokenizeJob.TokenizeRequest;

/** The hash of everything that shapes packed rows: equal hashes, equal rows. */
public final class TokenizedHash {
  /** To be raised with every change of the code that gives other rows. */
  private static final String CODE = "2";

  public static final String DATASET_PATH = "dataset_path";
  private static final String TEMPLATE = "template";
  private static final String NOW = "now";
  private static final int SHORT = 64;

  private final MessageDigest digest = DigestUtils.getSha256Digest();

  /** By name, in the order in which they are hashed, everything but code and data set. */
  public static Map<String, String> settings(TokenizeRequest request, ChatTemplate template) {
    TrainingData data = request.data();
    Map<String, String> settings = new LinkedHashMap<>(request.tokenizer().shaping());
    settings.put(TEMPLATE, template.source());
    if (template.forTools() != template) {
      settings.put(TEMPLATE + "_with_tools", template.forTools().source());
    }
    settings.put(NOW, template.dependsOnTime() ? template.now().toString() : "");
    settings.put("max_seq_length", Integer.toString(data.maxSeqLength()));
    settings.put("packing", Boolean.toString(data.packs()));
    settings.put("overlong", data.overlong().name());
    settings.put("assistant_only_loss", Boolean.toString(data.assistantOnlyLoss()));
    if (data.isPreference()) {
      settings.put("objective", data.objective().text());
    }
    return settings;
  }

  static String of(Map<String, String> settings, String datasetHash) {
    TokenizedHash hash = new TokenizedHash();
    hash.add("code", CODE);
    hash.add("dataset", datasetHash);
    settings.forEach(hash::add);
    return HexFormat.of().formatHex(hash.digest.digest());
  }

  /**
   * What shapes the rows beside the data set's content and the day: where it lies, and every
   * setting, long ones as their hash.
   *
   * @param dataset qualified path
   */
  public static Map<String, String> shaping(Map<String, String> settings, String dataset) {
    Map<String, String> shaping = new TreeMap<>();
    settings.forEach(
        (name, value) ->
            shaping.put(
                name,
                value.length() > SHORT || name.equals(TEMPLATE)
                    ? "sha256:" + DigestUtils.sha256Hex(value)
                    : value));
    shaping.remove(NOW);
    shaping.put("code", CODE);
    shaping.put(DATASET_PATH, dataset);
    return shaping;
  }

  /** With its length in front, so that two parts can never be read as one other. */
  private void add(String name, String value) {
    byte[] bytes = value.getBytes(StandardCharsets.UTF_8);
    digest.update((name + ":" + bytes.length + ":").getBytes(StandardCharsets.UTF_8));
    digest.update(bytes);
  }

  /**
   * The hash of a data set's rows, whatever files hold them; the executors read them.
   *
   * @throws UserError if a row is no conversation, or a file cannot be read, as when the data set
   *     is replaced at this moment
   */
  public static String dataset(
      SparkSession spark, DatasetSplit train, Optional<DatasetSplit> test) {
    AtOnce.Both<RowsHash, RowsHash> hashes =
        AtOnce.run(
            () -> rows(spark, train),
            () -> test.map(split -> rows(spark, split)).orElseGet(RowsHash::new));
    return RowsHash.ofDataset(hashes.first(), hashes.second());
  }

  /** Which test rows are of which source of a mixture; empty where nothing is mixed. */
  static String bySource(SparkSession spark, DatasetSplit test) {
    return test.sources().stream()
        .map(source -> " %s %s".formatted(source, rows(spark, test.of(source)).text()))
        .collect(Collectors.joining());
  }

  private static RowsHash rows(SparkSession spark, DatasetSplit split) {
    List<Row> parts =
        split.reading(
            () ->
                split
                    .read(spark)
                    .mapPartitions(
                        new ChunkConversations(split.layout()),
                        Encoders.row(ChunkConversations.SCHEMA))
                    .mapPartitions(new HashParts(), Encoders.row(HashParts.SCHEMA))
                    .collectAsList());
    RowsHash hash = new RowsHash();
    parts.stream()
        .sorted(Comparator.comparing(TokenizedHash::chunk))
        .forEach(
            part -> {
              if (!part.isNullAt(4)) {
                throw new UserError(part.getString(4));
              }
              hash.append(RowsHash.ofBytes(part.getAs(3)));
            });
    return hash;
  }

  private static Chunk chunk(Row row) {
    return new Chunk(row.getString(0), row.getLong(1), row.getLong(2));
  }

  /** Successive chunks of one part of a file into one row, with a hash instead of conversations. */
  private static final class HashParts implements MapPartitionsFunction<Row, Row> {
    private static final long serialVersionUID = 1L;

    static final StructType SCHEMA = ChunkConversations.SCHEMA;

    @Override
    public Iterator<Row> call(Iterator<Row> chunks) {
      List<Row> parts = new ArrayList<>();
      Row first = null;
      RowsHash hash = new RowsHash();
      while (chunks.hasNext()) {
        Row chunk = chunks.next();
        boolean goesOn =
            first != null
                && first.getString(0).equals(chunk.getString(0))
                && first.getLong(1) == chunk.getLong(1)
                && chunk.isNullAt(4);
        if (!goesOn) {
          if (first != null) {
            parts.add(part(first, hash));
          }
          first = chunk;
          hash = new RowsHash();
        }
        for (EncodedConversation row : ConversationCoder.encoded(chunk.<byte[]>getAs(3))) {
          hash.add(row.digest());
        }
      }
      if (first != null) {
        parts.add(part(first, hash));
      }
      return parts.iterator();
    }

    private static Row part(Row first, RowsHash hash) {
      return RowFactory.create(
          first.getString(0), first.getLong(1), first.getLong(2), hash.bytes(), first.get(4));
    }
  }
}
