package org.sparkfinetune.spark.tokenize;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.commons.codec.digest.DigestUtils;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.Path;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.broadcast.Broadcast;
import org.sparkfinetune.config.TrainingData;
import org.sparkfinetune.data.jinja.ChatTemplate;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.spark.dataset.DatasetSplit;
import org.sparkfinetune.spark.tokenize.TokenizeJob.TokenizeRequest;
import org.sparkfinetune.store.Store;

/** The hash of everything that shapes packed rows: equal hashes, equal rows. */
public final class TokenizedHash {
  /** To be raised with every change of the code that gives other rows. */
  private static final String CODE = "1";

  public static final String DATASET_PATH = "dataset_path";
  private static final String TEMPLATE = "template";
  private static final String NOW = "now";
  private static final int SHORT = 64;
  private static final String UNREADABLE = "unreadable: ";

  private final MessageDigest digest = DigestUtils.getSha256Digest();

  /** By name, in the order in which they are hashed, everything but code and data set. */
  public static Map<String, String> settings(TokenizeRequest request, ChatTemplate template) {
    TrainingData data = request.data();
    Map<String, String> settings = new LinkedHashMap<>(request.tokenizer().shaping());
    settings.put(TEMPLATE, template.source());
    settings.put(NOW, template.dependsOnTime() ? template.now().toString() : "");
    settings.put("max_seq_length", Integer.toString(data.maxSeqLength()));
    settings.put("packing", Boolean.toString(data.packing()));
    settings.put("overlong", data.overlong().name());
    settings.put("assistant_only_loss", Boolean.toString(data.assistantOnlyLoss()));
    return settings;
  }

  static String of(Map<String, String> settings, List<String> datasetHashes) {
    TokenizedHash hash = new TokenizedHash();
    hash.add("code", CODE);
    datasetHashes.forEach(file -> hash.add("dataset", file));
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
   * Split, name and content hash of every file; the executors read them.
   *
   * @throws UserError if one cannot be read, as when the data set is replaced at this moment
   */
  static List<String> files(
      JavaSparkContext spark, Broadcast<Store> store, List<DatasetSplit> splits) {
    List<String> paths = new ArrayList<>();
    List<String> names = new ArrayList<>();
    for (DatasetSplit split : splits) {
      for (FileStatus file : split.files()) {
        paths.add(file.getPath().toString());
        names.add(split.name() + "/" + file.getPath().getName());
      }
    }
    List<String> hashes =
        spark.parallelize(paths, paths.size()).map(path -> contentHash(path, store)).collect();
    List<String> named = new ArrayList<>();
    for (int i = 0; i < names.size(); i++) {
      String hash = hashes.get(i);
      if (hash.startsWith(UNREADABLE)) {
        throw new UserError(
            "dataset_path: '%s' cannot be read: %s. If prepare is at work there, wait for its end."
                .formatted(paths.get(i), hash.substring(UNREADABLE.length())));
      }
      named.add(names.get(i) + " " + hash);
    }
    return named;
  }

  private static String contentHash(String file, Broadcast<Store> store) {
    Path path = new Path(file);
    try (InputStream in = store.value().fileSystem(path).open(path)) {
      return DigestUtils.sha256Hex(in);
    } catch (IOException e) {
      return UNREADABLE + e.getMessage();
    }
  }
}
