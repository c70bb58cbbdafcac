package org.sparkfinetune.config;

import java.io.FileNotFoundException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.Path;
import org.sparkfinetune.config.Values.Given;
import org.sparkfinetune.errors.UserError;

/**
 * Reads a configuration from a YAML file on any Hadoop file system and from the command line, which
 * wins. Every mistake is a {@link UserError} with the key, the value, what is allowed and {@code
 * file:line} or "command line"; all of them come together in one.
 */
public final class ConfigLoader {

  /** A configuration has a few kilobytes; somebody who names a model by mistake is told so. */
  private static final int MAX_BYTES = 1 << 20;

  private final Configuration hadoop;
  private final Optional<WorkingFolder> folder;

  /** Takes paths as they are written: for a configuration that was resolved before. */
  public ConfigLoader(Configuration hadoop) {
    this(hadoop, Optional.empty());
  }

  private ConfigLoader(Configuration hadoop, Optional<WorkingFolder> folder) {
    this.hadoop = hadoop;
    this.folder = folder;
  }

  /** Reads what a user says here: relative paths of models, data and results are made absolute. */
  public static ConfigLoader ofUser(Configuration hadoop) {
    return new ConfigLoader(hadoop, Optional.of(new WorkingFolder(hadoop)));
  }

  /**
   * A configuration as it was read.
   *
   * @param notes one line for each accepted key that means nothing or little here; for the user
   * @param yaml all keys with their resolved values, which read again give {@code config}
   */
  public record Loaded<C>(C config, List<String> notes, String yaml) {
    public Loaded {
      notes = List.copyOf(notes);
    }
  }

  /**
   * The configuration of {@code train}.
   *
   * @param file Hadoop URI of the YAML file; without one the command line gives everything
   * @param arguments {@code --key value} or {@code --key=value}
   */
  public Loaded<TrainConfig> train(Optional<String> file, List<String> arguments) {
    RecipeChoices choices =
        new RecipeChoices(written(file), CommandLineKeys.parse(KeyTable.TRAIN, arguments));
    OtherRecipeKeys others = new OtherRecipeKeys();
    Values values =
        located(
            Values.resolve(KeyTable.TRAIN, choices.file(), choices.commandLine(), others)
                .with(choices.problems()));
    TrainConfig config = values.record(TrainConfig.class);
    List<String> notes = new ArrayList<>(TrainNotes.of(values, config));
    notes.addAll(others.notes(values));
    return new Loaded<>(config, notes, values.yaml());
  }

  /** As {@link #train}, for {@code prepare}. */
  public Loaded<PrepareConfig> prepare(Optional<String> file, List<String> arguments) {
    Values values = PrepareConfig.resolved(values(KeyTable.PREPARE, file, arguments));
    return new Loaded<>(values.record(PrepareConfig.class), List.of(), values.yaml());
  }

  /** As {@link #train}, for {@code generate}. */
  public Loaded<GenerateConfig> generate(Optional<String> file, List<String> arguments) {
    Values values = values(KeyTable.GENERATE, file, arguments);
    return new Loaded<>(GenerateConfig.of(values), List.of(), values.yaml());
  }

  /** As {@link #train}, for {@code evaluate}. */
  public Loaded<EvaluateConfig> evaluate(Optional<String> file, List<String> arguments) {
    Values values = values(KeyTable.EVALUATE, file, arguments);
    return new Loaded<>(values.record(EvaluateConfig.class), List.of(), values.yaml());
  }

  /** As {@link #train}, for {@code merge}. */
  public Loaded<MergeConfig> merge(Optional<String> file, List<String> arguments) {
    Values values = values(KeyTable.MERGE, file, arguments);
    return new Loaded<>(values.record(MergeConfig.class), List.of(), values.yaml());
  }

  private Values values(KeyTable table, Optional<String> file, List<String> arguments) {
    List<Given> commandLine = CommandLineKeys.parse(table, arguments);
    return located(Values.resolve(table, written(file), commandLine, Values.OtherKeys::unknown));
  }

  private Values located(Values values) {
    return folder.map(values::located).orElse(values);
  }

  private List<Given> written(Optional<String> file) {
    return file.map(this::fileKeys).orElse(List.of());
  }

  private List<Given> fileKeys(String file) {
    Optional<YamlNode> document = YamlReader.read(text(file), line -> file + ":" + line);
    if (document.isPresent() && !document.get().isNull() && document.get().fields() == null) {
      throw new UserError(
          document.get().place() + ": a configuration is a mapping, one \"key: value\" a line");
    }
    return document.map(Values::entries).orElse(List.of());
  }

  private String text(String file) {
    try {
      Path path = new Path(file);
      try (FSDataInputStream in = path.getFileSystem(hadoop).open(path)) {
        byte[] bytes = in.readNBytes(MAX_BYTES + 1);
        if (bytes.length > MAX_BYTES) {
          throw new UserError(
              "%s is no configuration: it has more than %s bytes".formatted(file, MAX_BYTES));
        }
        return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString();
      }
    } catch (FileNotFoundException e) {
      throw new UserError(
          "The configuration file %s is not there%s"
              .formatted(file, new WorkingFolder(hadoop).adviceOnMissing(file)),
          e);
    } catch (CharacterCodingException e) {
      throw new UserError(file + ": the configuration file is not UTF-8 text", e);
    } catch (IllegalArgumentException e) {
      throw new UserError(
          "The configuration file %s is no path: a URI has a whole one, as file:/folder/file.yaml; without a scheme it begins here"
              .formatted(file),
          e);
    } catch (IOException e) {
      throw new UserError(
          "The configuration file %s cannot be read: %s".formatted(file, e.getMessage()), e);
    }
  }
}
