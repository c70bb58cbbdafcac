package org.sparkfinetune.bench;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.sparkfinetune.errors.Bug;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.model.family.DecoderConfig;
import org.sparkfinetune.model.family.DecoderConfigReader;

/**
 * The shape of a model to make.
 *
 * @param configJson its {@code config.json}, which the made model gets unchanged
 */
public record ModelShape(DecoderConfig config, String configJson) {
  /**
   * What {@link #named} knows: the shipped sample, two that benchmarks use, Llama 3's sizes, a
   * mixture of experts.
   */
  public static final List<String> NAMES =
      List.of("sample", "llama-135m", "slice-1b", "llama-3-8b", "llama-3-70b", "qwen3-30b-a3b");

  /**
   * The shape of that name, or of a model that there is.
   *
   * @param nameOrFile one of {@link #NAMES}, or the path of a {@code config.json}
   */
  public static ModelShape named(String nameOrFile) {
    String json = NAMES.contains(nameOrFile) ? shipped(nameOrFile) : fromFile(nameOrFile);
    return new ModelShape(DecoderConfigReader.read(json, nameOrFile), json);
  }

  private static String shipped(String name) {
    try (InputStream in = ModelShape.class.getResourceAsStream("shapes/" + name + ".json")) {
      if (in == null) {
        throw new Bug("The jar lacks the shape " + name + ".");
      }
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException unreadable) {
      throw new UncheckedIOException(unreadable);
    }
  }

  private static String fromFile(String file) {
    try {
      return Files.readString(Path.of(file));
    } catch (IOException unreadable) {
      throw new UserError(
          "The shape %s is none of %s and no file that can be read."
              .formatted(file, String.join(", ", NAMES)),
          unreadable);
    }
  }
}
