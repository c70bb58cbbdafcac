package org.sparkfinetune.spark.ml;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.TreeMap;
import org.apache.hadoop.fs.Path;
import org.apache.spark.ml.param.Param;
import org.apache.spark.ml.param.Params;
import org.apache.spark.ml.util.MLWriter;
import org.apache.spark.sql.SparkSession;
import org.sparkfinetune.errors.Bug;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.store.Store;

/**
 * {@code metadata/part-00000} of a saved stage, with the fields by which Spark's own readers find
 * its class: written here because Spark's writer takes and gives Scala's types.
 */
record Metadata(
    String className, String uid, Map<String, String> params, Map<String, String> more) {
  private static final ObjectMapper JSON = new ObjectMapper();

  Metadata {
    params = new TreeMap<>(params);
    more = new TreeMap<>(more);
  }

  /** Of a stage whose parameters are texts. */
  static Metadata of(Params stage, Map<String, String> more) {
    Map<String, String> params = new TreeMap<>();
    for (Param<?> param : stage.params()) {
      if (stage.isSet(param)) {
        params.put(param.name(), String.valueOf(stage.getOrDefault(param)));
      }
    }
    return new Metadata(stage.getClass().getName(), stage.uid(), params, more);
  }

  void write(String folder, SparkSession spark) {
    ObjectNode json = JSON.createObjectNode();
    json.put("class", className);
    json.put("timestamp", System.currentTimeMillis());
    json.put("sparkVersion", spark.version());
    json.put("uid", uid);
    ObjectNode map = json.putObject("paramMap");
    params.forEach(map::put);
    json.putObject("defaultParamMap");
    more.forEach(json::put);
    Store store = store(spark);
    store.replace(file(folder), (json + "\n").getBytes(StandardCharsets.UTF_8));
    store.replace(new Path(folder, "metadata/_SUCCESS"), new byte[0]);
  }

  /**
   * @throws UserError if it is none of this class
   */
  static Metadata read(String folder, Class<?> type, SparkSession spark) {
    byte[] bytes =
        store(spark)
            .read(file(folder))
            .orElseThrow(
                () ->
                    new UserError(
                        "%s holds no saved stage: there is no %s."
                            .formatted(folder, file(folder))));
    try {
      JsonNode json = JSON.readTree(new String(bytes, StandardCharsets.UTF_8));
      String found = json.path("class").asText();
      if (!found.equals(type.getName())) {
        throw new UserError(
            "%s holds a saved %s, not a %s.".formatted(folder, found, type.getName()));
      }
      Map<String, String> more = new TreeMap<>();
      json.properties().forEach(field -> more.put(field.getKey(), field.getValue().asText()));
      Map<String, String> params = new TreeMap<>();
      json.path("paramMap")
          .properties()
          .forEach(field -> params.put(field.getKey(), field.getValue().asText()));
      return new Metadata(found, json.path("uid").asText(), params, more);
    } catch (JsonProcessingException e) {
      throw new UserError("%s is no JSON.".formatted(file(folder)), e);
    }
  }

  /** Sets what was set. */
  void restore(Params stage) {
    params.forEach((name, value) -> stage.set(stage.getParam(name), value));
  }

  private static Path file(String folder) {
    return new Path(folder, "metadata/part-00000");
  }

  static Store store(SparkSession spark) {
    return new Store(spark.sparkContext().hadoopConfiguration());
  }

  /** Writes a stage: its metadata, and what else it is made of. */
  static final class Writer extends MLWriter {
    private final Metadata metadata;
    private final Files files;

    /** What lies beside the metadata. */
    interface Files {
      void write(Path folder, Store store);
    }

    Writer(Metadata metadata, Files files) {
      this.metadata = metadata;
      this.files = files;
    }

    @Override
    public void saveImpl(String path) {
      SparkSession spark = sparkSession();
      files.write(new Path(path), store(spark));
      metadata.write(path, spark);
    }
  }

  /** A value that the metadata has to have. */
  String get(String name) {
    String value = more.get(name);
    if (value == null) {
      throw new Bug("A saved stage has no " + name + ".");
    }
    return value;
  }
}
