package org.sparkfinetune.model.peft;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SortedSet;
import java.util.TreeSet;
import java.util.function.Consumer;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.model.family.DecoderConfig;
import org.sparkfinetune.model.family.DecoderWeights;
import org.sparkfinetune.model.family.WeightValues;
import org.sparkfinetune.model.peft.LoraTargets.AdapterNames;
import org.sparkfinetune.model.safetensors.Checkpoint;
import org.sparkfinetune.model.safetensors.DType;
import org.sparkfinetune.model.safetensors.Floats;
import org.sparkfinetune.model.safetensors.SafetensorsWriter;
import org.sparkfinetune.model.safetensors.TensorInfo;
import org.sparkfinetune.model.safetensors.TensorSpec;
import org.sparkfinetune.store.Store;

/**
 * An open adapter folder of any Hadoop file system, checked as a whole: {@code adapter_config.json}
 * and {@code adapter_model.safetensors}. For {@code y = W x + scaling * B(A(x))}, A is (r, in) and
 * B (out, r).
 */
public final class AdapterFiles implements AutoCloseable {
  static final String CONFIG = "adapter_config.json";
  static final String WEIGHTS = "adapter_model.safetensors";
  static final String WEIGHT = ".weight";
  private static final int MAX_CONFIG_BYTES = 1 << 20;

  /** Elements read at a time. */
  private static final int CHUNK = 1 << 20;

  private static final Set<DType> FLOATS = Set.of(DType.F32, DType.BF16, DType.F16);

  private final AdapterConfig config;
  private final Checkpoint weights;
  private final Path folder;
  private final SortedSet<String> modules = new TreeSet<>();
  private final SortedSet<String> saved = new TreeSet<>();
  private boolean tokenRows;

  private AdapterFiles(Path folder, AdapterConfig config, Checkpoint weights) {
    this.folder = folder;
    this.config = config;
    this.weights = weights;
  }

  /**
   * Opens and checks a folder.
   *
   * @throws UserError if the folder is no adapter, or one that uses what we do not support
   */
  public static AdapterFiles open(Path folder, Store store) {
    AdapterConfig config = readConfig(folder, store);
    Checkpoint weights =
        Checkpoint.openFile(new Path(folder, WEIGHTS), store).named(AdapterNames::inUse);
    AdapterFiles files = new AdapterFiles(folder, config, weights);
    try {
      files.weights.names().forEach(files::sort);
      files.modules.forEach(files::checkPair);
      return files;
    } catch (RuntimeException e) {
      files.close();
      throw e;
    }
  }

  /**
   * The same for a model, whose linears then are all that {@link #modules} names. What the
   * configuration names and the file lacks stays as the base model has it, and what the file has
   * beyond it is not used, both with a warning, as PEFT does (it warns of the first alone).
   *
   * @throws UserError if the adapter is for another model, or nothing of it is left
   */
  public static AdapterFiles open(Path folder, DecoderConfig model, Store store) {
    AdapterFiles files = open(folder, store);
    try {
      new AdapterFit(folder, files, model).fit();
      return files;
    } catch (UserError e) {
      files.close();
      String message = String.valueOf(e.getMessage());
      throw message.contains(folder.toString())
          ? e
          : new UserError("The adapter %s: %s".formatted(folder, message), e);
    } catch (RuntimeException e) {
      files.close();
      throw e;
    }
  }

  /**
   * The same for an adapter that is trained on.
   *
   * @throws UserError also if it holds weights that would stay frozen
   */
  public static AdapterFiles openForTraining(Path folder, DecoderConfig model, Store store) {
    AdapterFiles files = open(folder, model, store);
    if (files.replacesFrozenWeights()) {
      files.close();
      throw new UserError(
          "adapter is %s, which holds %s though its modules_to_save does not name it (PEFT's save_embedding_layers): it cannot be trained on beside the base model's; merge it into the model first."
              .formatted(folder, files.saved));
    }
    return files;
  }

  /** Whether it holds embeddings of single tokens. */
  public boolean hasTokenRows() {
    return tokenRows;
  }

  /**
   * Puts its embeddings of single tokens over those of the base model, where it has some.
   *
   * @param base the embedding (V, H)
   */
  public WeightValues withTokenRows(WeightValues base) {
    if (!tokenRows) {
      return base;
    }
    float[] rows = floats(AdapterNames.saved(LoraTargets.TOKEN_ROWS));
    int width = rows.length / config.tokens().size();
    return (first, out, count) -> {
      base.read(first, out, count);
      for (int i = 0; i < config.tokens().size(); i++) {
        long at = (long) config.tokens().get(i) * width;
        int from = (int) Math.max(0, first - at);
        int to = (int) Math.min(width, first + count - at);
        if (from < to) {
          System.arraycopy(rows, i * width + from, out, (int) (at + from - first), to - from);
        }
      }
    };
  }

  /** The configuration alone. */
  public static AdapterConfig readConfig(Path folder, Store store) {
    Path path = new Path(folder, CONFIG);
    try {
      FileSystem fileSystem = store.fileSystem(path);
      if (!fileSystem.exists(path)) {
        throw new UserError(
            "%s has no %s: it is no adapter folder of PEFT. Name the folder that has it; train writes one as output_dir/adapter."
                .formatted(folder, CONFIG));
      }
      if (fileSystem.getFileStatus(path).getLen() > MAX_CONFIG_BYTES) {
        throw new UserError(path + " has more than " + MAX_CONFIG_BYTES + " bytes.");
      }
      try (FSDataInputStream stream = fileSystem.open(path)) {
        return AdapterConfigJson.parse(path.toString(), stream.readAllBytes());
      }
    } catch (IOException e) {
      throw new RunFailure("Reading " + path + " failed: " + e.getMessage(), e);
    }
  }

  /** Leaves the others out. */
  void keep(Collection<String> linears) {
    modules.retainAll(linears);
  }

  private void sort(String tensor) {
    String name =
        tensor.startsWith(AdapterNames.PREFIX)
            ? tensor.substring(AdapterNames.PREFIX.length())
            : "";
    TensorInfo info = weights.info(tensor);
    boolean matrix = FLOATS.contains(info.dtype()) && info.shape().length == 2;
    if (name.endsWith(AdapterNames.LORA_A) || name.endsWith(AdapterNames.LORA_B)) {
      check(matrix, info, "a matrix of F32, BF16 or F16");
      modules.add(name.substring(0, name.length() - AdapterNames.LORA_A.length()));
    } else if (name.equals(LoraTargets.TOKEN_ROWS)) {
      int tokens = config.tokens().size();
      check(
          matrix && tokens > 0 && info.shape()[0] == tokens,
          info,
          "a row for each of trainable_token_indices, " + tokens);
      tokenRows = true;
    } else if (!vector().isEmpty() && name.endsWith(vector())) {
      check(
          FLOATS.contains(info.dtype()) && info.shape().length == 1,
          info,
          "a vector of F32, BF16 or F16");
      modules.add(name.substring(0, name.length() - vector().length()));
    } else {
      check(
          FLOATS.contains(info.dtype()) && isSaved(name),
          info,
          "LoRA's A and B of a linear layer, or one of modules_to_save");
      saved.add(name);
    }
  }

  /** How the name of the vector beside A and B ends; empty if there is none. */
  private String vector() {
    return switch (config.variant()) {
      case PLAIN -> "";
      case BIAS -> AdapterNames.BIAS_OF_B;
      case DORA -> AdapterNames.MAGNITUDES;
    };
  }

  /**
   * {@code lm_head.weight} of {@code lm_head}, {@code model.embed_tokens.weight} of {@code
   * embed_tokens}; the two also where no module is named, as PEFT's {@code save_embedding_layers}
   * writes them.
   */
  private boolean isSaved(String parameter) {
    if (parameter.equals(DecoderWeights.EMBED_TOKENS) || parameter.equals(DecoderWeights.LM_HEAD)) {
      return true;
    }
    if (!parameter.endsWith(WEIGHT)) {
      return false;
    }
    String module = parameter.substring(0, parameter.length() - WEIGHT.length());
    return config.modulesToSave().stream()
        .anyMatch(name -> module.equals(name) || module.endsWith("." + name));
  }

  private void checkPair(String module) {
    TensorInfo a = weights.info(AdapterNames.loraA(module));
    TensorInfo b = weights.info(AdapterNames.loraB(module));
    int r = config.ranks().rank(module);
    check(a.shape()[0] == r, a, "(r, in) with the r of the configuration, " + r);
    check(b.shape()[1] == r, b, "(out, r) with the r of the configuration, " + r);
    if (!vector().isEmpty()) {
      TensorInfo c = weights.info(AdapterNames.PREFIX + module + vector());
      check(c.shape()[0] == b.shape()[0], c, "(out) with the out of lora_B, " + b.shape()[0]);
    }
  }

  void check(boolean right, TensorInfo found, String expected) {
    if (!right) {
      throw new UserError(
          "%s: %s is %s %s, supported is %s."
              .formatted(
                  weights.where(found.name()),
                  found.name().replaceAll("\\p{Cntrl}", "?"),
                  found.dtype(),
                  Arrays.toString(found.shape()),
                  expected));
    }
  }

  public AdapterConfig config() {
    return config;
  }

  /** Names of the adapted layers, as {@code model.layers.0.self_attn.q_proj}. */
  public SortedSet<String> modules() {
    return Collections.unmodifiableSortedSet(modules);
  }

  /** Names of the parameters that are saved whole, as {@code lm_head.weight}. */
  public SortedSet<String> savedParameters() {
    return Collections.unmodifiableSortedSet(saved);
  }

  /**
   * Whether a head that is tied to the embedding no longer is: PEFT trains a copy of a module, and
   * of a tied pair the other stays what it was. What {@code save_embedding_layers} wrote takes the
   * place of both.
   */
  public boolean untiesHead() {
    return saved.contains(DecoderWeights.LM_HEAD)
        || (saved.contains(DecoderWeights.EMBED_TOKENS) && trainsEmbedding());
  }

  private boolean trainsEmbedding() {
    return config.modulesToSave().stream()
        .anyMatch(name -> ("." + DecoderWeights.EMBED_TOKENS).endsWith("." + name + WEIGHT));
  }

  /**
   * Whether weights lie in the file that no key of the configuration names, because the vocabulary
   * was resized when PEFT saved it.
   */
  private boolean replacesFrozenWeights() {
    return saved.stream()
        .anyMatch(
            name ->
                config.modulesToSave().stream()
                    .noneMatch(module -> ("." + name).endsWith("." + module + WEIGHT)));
  }

  /**
   * Type and shape of a tensor.
   *
   * @param tensor named by {@link AdapterNames}
   */
  public TensorInfo info(String tensor) {
    return weights.info(tensor);
  }

  /** Fills {@code dst} with the tensor's bytes from {@code firstByte} on. */
  public void read(String tensor, long firstByte, ByteBuffer dst) {
    weights.read(tensor, firstByte, dst);
  }

  /** A whole tensor as float32, row by row. */
  public float[] floats(String tensor) {
    float[] values = new float[Math.toIntExact(weights.info(tensor).elements())];
    read(tensor, 0, values, values.length);
    return values;
  }

  /** Elements {@code [first, first + count)} of a tensor as float32. */
  public void read(String tensor, long first, float[] out, int count) {
    TensorInfo info = weights.info(tensor);
    int size = info.dtype().bytes();
    ByteBuffer bytes = ByteBuffer.allocate(Math.min(count, CHUNK) * size);
    for (int done = 0; done < count; done += CHUNK) {
      int n = Math.min(CHUNK, count - done);
      weights.read(tensor, (first + done) * size, bytes.clear().limit(n * size));
      Floats.toFloats(info.dtype(), bytes.flip(), out, done, n);
    }
  }

  @Override
  public void close() {
    weights.close();
  }

  /** Gives the bytes of one tensor after the other. */
  @FunctionalInterface
  public interface Content {
    /**
     * Hands over one tensor.
     *
     * @param sink takes the tensor's bytes, little endian, in pieces of any size
     */
    void write(TensorSpec tensor, Consumer<ByteBuffer> sink);
  }

  /**
   * Writes an adapter folder; the configuration comes last, so that a folder without one was not
   * finished.
   *
   * @param tensors named by {@link AdapterNames}, in any order
   * @param content is asked for each of them once
   */
  public static void write(
      Path folder, Store store, AdapterConfig config, List<TensorSpec> tensors, Content content) {
    List<TensorSpec> inOrder = TensorSpec.inReferenceOrder(new ArrayList<>(tensors));
    try (SafetensorsWriter writer =
        SafetensorsWriter.create(
            new Path(folder, WEIGHTS), store, Map.of("format", "pt"), inOrder)) {
      inOrder.forEach(tensor -> content.write(tensor, writer::write));
      writer.commit();
    }
    store.replace(new Path(folder, CONFIG), AdapterConfigJson.write(config));
  }
}
