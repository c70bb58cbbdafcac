package org.sparkfinetune.launch;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import org.apache.commons.codec.digest.DigestUtils;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.Path;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.util.SerializableConfiguration;
import org.sparkfinetune.config.TrainingData;
import org.sparkfinetune.conversation.ChatTemplate;
import org.sparkfinetune.tokenize.TokenizerFiles;

/** The hash of everything that shapes packed rows: equal hashes, equal rows. */
final class TokenizedHash {
  /** To be raised with every change of the code that gives other rows. */
  private static final String CODE = "1";

  private final MessageDigest digest = DigestUtils.getSha256Digest();

  static String of(
      TrainingData data,
      TokenizerFiles tokenizer,
      ChatTemplate template,
      List<String> datasetHashes) {
    TokenizedHash hash = new TokenizedHash();
    hash.add("code", CODE);
    datasetHashes.forEach(file -> hash.add("dataset", file));
    for (Map.Entry<String, String> part : tokenizer.shaping().entrySet()) {
      hash.add(part.getKey(), part.getValue());
    }
    hash.add("template", template.source());
    hash.add("now", template.dependsOnTime() ? template.now().toString() : "");
    hash.add("max_seq_length", Integer.toString(data.maxSeqLength()));
    hash.add("packing", Boolean.toString(data.packing()));
    hash.add("overlong", data.overlong().name());
    hash.add("assistant_only_loss", Boolean.toString(data.assistantOnlyLoss()));
    return HexFormat.of().formatHex(hash.digest.digest());
  }

  /** With its length in front, so that two parts can never be read as one other. */
  private void add(String name, String value) {
    byte[] bytes = value.getBytes(StandardCharsets.UTF_8);
    digest.update((name + ":" + bytes.length + ":").getBytes(StandardCharsets.UTF_8));
    digest.update(bytes);
  }

  /** Split, name and content hash of every file; the executors read them. */
  static List<String> files(
      JavaSparkContext spark,
      Broadcast<SerializableConfiguration> hadoop,
      List<DatasetSplit> splits) {
    List<String> paths = new ArrayList<>();
    List<String> names = new ArrayList<>();
    for (DatasetSplit split : splits) {
      for (FileStatus file : split.files()) {
        paths.add(file.getPath().toString());
        names.add(split.name() + "/" + file.getPath().getName());
      }
    }
    List<String> hashes =
        spark.parallelize(paths, paths.size()).map(path -> contentHash(path, hadoop)).collect();
    List<String> named = new ArrayList<>();
    for (int i = 0; i < names.size(); i++) {
      named.add(names.get(i) + " " + hashes.get(i));
    }
    return named;
  }

  private static String contentHash(String file, Broadcast<SerializableConfiguration> hadoop)
      throws IOException {
    Path path = new Path(file);
    try (InputStream in = path.getFileSystem(hadoop.value().value()).open(path)) {
      return DigestUtils.sha256Hex(in);
    }
  }
}
