package org.sparkfinetune.sample;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.sparkfinetune.bench.ModelMaker;
import org.sparkfinetune.bench.ModelShape;
import org.sparkfinetune.errors.Bug;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.sample.SampleRows.Row;

/**
 * Writes the shipped sample: {@code rows.jsonl}, {@code new-databases.jsonl}, {@code
 * preferences.jsonl} and a folder {@code model} with a small Llama and its tokenizer; and the rows
 * that the shipped model was trained on. Equal seeds give equal files. The Llama's weights are
 * random here: {@code train} makes the shipped ones of them.
 */
final class SampleMaker {
  /** The shipped sample's. */
  static final long SEED = 42;

  static final String ROWS = "rows.jsonl";
  static final String NEW_DATABASES = "new-databases.jsonl";
  static final String PREFERENCES = "preferences.jsonl";
  static final String MODEL = "model";

  /** Many more than are tested, so that those tested are of many databases and skeletons. */
  private static final int HELD_BACK = 3_000;

  private static final int TEST_ROWS = 400;

  private SampleMaker() {}

  /**
   * Makes all of it.
   *
   * @param folder made if it is not there; an older sample in it is replaced
   */
  static void write(Path folder) {
    try {
      ModelShape shape = ModelShape.named("sample");
      List<Row> rows = SampleRows.generate(SEED);
      SampleTokenizer tokenizer = SampleTokenizer.train(rows, shape.config().vocabSize());
      if (tokenizer.size() != shape.config().vocabSize()) {
        throw new Bug("The sample gave a vocabulary of %s only.".formatted(tokenizer.size()));
      }
      Path model = Files.createDirectories(folder.resolve(MODEL));
      Files.writeString(folder.resolve(ROWS), jsonLines(rows));
      List<Row> ofNewDatabases = SampleRows.ofNewDatabases(SEED);
      Files.writeString(folder.resolve(NEW_DATABASES), jsonLines(ofNewDatabases));
      Files.writeString(folder.resolve(PREFERENCES), SamplePreferences.jsonLines(ofNewDatabases));
      Files.writeString(model.resolve("tokenizer.json"), tokenizer.tokenizerJson());
      Files.writeString(model.resolve("tokenizer_config.json"), tokenizer.configJson());
      Files.deleteIfExists(model.resolve("model.safetensors"));
      ModelMaker.write(shape, SEED, model);
    } catch (IOException unwritable) {
      throw unwritable(folder, unwritable);
    }
  }

  /**
   * What the shipped model was trained and tested on: no row of the second shares both its database
   * and its query's skeleton with one of the first.
   */
  static SampleSplit pretraining() {
    SampleSplit split =
        SampleSplit.bySchemaAndSkeleton(SampleRows.pretraining(SEED), HELD_BACK, SEED);
    return new SampleSplit(split.train(), new SeededRandom(SEED).sample(split.test(), TEST_ROWS));
  }

  /**
   * Writes {@link #pretraining} as {@code train.jsonl} and {@code test.jsonl}.
   *
   * @param folder made if it is not there
   */
  static void writePretraining(Path folder) {
    SampleSplit split = pretraining();
    try {
      Files.createDirectories(folder);
      Files.writeString(folder.resolve("train.jsonl"), jsonLines(split.train()));
      Files.writeString(folder.resolve("test.jsonl"), jsonLines(split.test()));
    } catch (IOException unwritable) {
      throw unwritable(folder, unwritable);
    }
  }

  private static UserError unwritable(Path folder, IOException cause) {
    return new UserError(
        "The sample cannot be written to %s: %s".formatted(folder, cause.getMessage()), cause);
  }

  /** One {@code {"question", "context", "answer"}} a line. */
  static String jsonLines(List<Row> rows) {
    ObjectMapper json = new ObjectMapper();
    return rows.stream()
        .map(row -> jsonLine(row, json))
        .collect(Collectors.joining("\n", "", "\n"));
  }

  private static String jsonLine(Row row, ObjectMapper json) {
    Map<String, String> fields = new LinkedHashMap<>();
    fields.put("question", row.question());
    fields.put("context", row.context());
    fields.put("answer", row.answer());
    try {
      return json.writeValueAsString(fields);
    } catch (JsonProcessingException impossible) {
      throw new UncheckedIOException(impossible);
    }
  }
}
