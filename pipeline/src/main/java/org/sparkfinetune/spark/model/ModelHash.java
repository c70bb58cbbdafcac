package org.sparkfinetune.spark.model;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.Arrays;
import java.util.HexFormat;
import org.apache.commons.codec.digest.DigestUtils;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.sparkfinetune.errors.RunFailure;

/**
 * Tells models apart without reading them whole: SHA-256 over name, size, first MiB (header and
 * first weights) and sixteen places in between of each safetensors and JSON file. Models that were
 * merged from one base have the same beginning.
 */
public final class ModelHash {
  private static final int PREFIX = 1 << 20;
  private static final int SAMPLE = 1 << 12;
  private static final int SAMPLES = 16;

  private ModelHash() {}

  public static String of(String folder, Configuration hadoop) {
    try {
      MessageDigest digest = DigestUtils.getSha256Digest();
      Path path = new Path(folder);
      FileSystem fileSystem = path.getFileSystem(hadoop);
      FileStatus[] files = fileSystem.listStatus(path);
      Arrays.sort(files);
      for (FileStatus file : files) {
        String name = file.getPath().getName();
        if (name.endsWith(".safetensors") || name.endsWith(".json")) {
          digest.update((name + ":" + file.getLen() + "\n").getBytes(StandardCharsets.UTF_8));
          try (FSDataInputStream in = fileSystem.open(file.getPath())) {
            digest.update(in.readNBytes(PREFIX));
            for (int i = 1; i <= SAMPLES; i++) {
              in.seek(file.getLen() * i / (SAMPLES + 1));
              digest.update(in.readNBytes(SAMPLE));
            }
          }
        }
      }
      return "sha256-of-samples:" + HexFormat.of().formatHex(digest.digest());
    } catch (IOException e) {
      throw new RunFailure("The model folder " + folder + " cannot be read: " + e.getMessage(), e);
    }
  }
}
