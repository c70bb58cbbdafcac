package org.sparkfinetune.model.family;

import java.io.FileNotFoundException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.Path;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.model.family.WeightValues.Nf4Values;
import org.sparkfinetune.model.family.WeightValues.PlainWeightValues;
import org.sparkfinetune.model.quant.PrequantizedWeight;
import org.sparkfinetune.model.safetensors.Checkpoint;
import org.sparkfinetune.model.safetensors.DType;
import org.sparkfinetune.model.safetensors.NamedShape;
import org.sparkfinetune.model.safetensors.TensorInfo;
import org.sparkfinetune.store.MissingPath;
import org.sparkfinetune.store.Store;

/**
 * A model in Hugging Face layout, checked as a whole when it is opened: every weight that {@code
 * config.json} asks for is there, with its shape, as floats or as bitsandbytes' NF4.
 */
public final class ModelFolder implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(ModelFolder.class);
  private static final int PIECE = 1 << 20;

  private final Path path;
  private final DecoderConfig config;
  private final Checkpoint checkpoint;

  private ModelFolder(Path path, DecoderConfig config, Checkpoint checkpoint) {
    this.path = path;
    this.config = config;
    this.checkpoint = checkpoint;
  }

  /**
   * A head of its own in the file counts, although {@code tie_word_embeddings} says that there is
   * none: transformers 5 keeps it too.
   *
   * @throws UserError if the folder has no config.json, it is no model that can be read, or a
   *     weight is missing or of another shape or type
   */
  public static ModelFolder open(Path folder, Store store) {
    DecoderConfig config = config(folder, store);
    Checkpoint checkpoint = Checkpoint.open(folder, store).named(config.names()::here);
    boolean own = config.tieWordEmbeddings() && hasOwnHead(checkpoint);
    if (own) {
      LOG.warn(
          "{} says tie_word_embeddings, but its lm_head.weight is not its embed_tokens.weight: the"
              + " head is kept as a weight of its own, as transformers 5 does.",
          folder);
    }
    ModelFolder opened = new ModelFolder(folder, own ? config.untied() : config, checkpoint);
    try {
      opened.weights().forEach(opened::check);
      return opened;
    } catch (RuntimeException e) {
      opened.close();
      throw e;
    }
  }

  /**
   * The configuration alone.
   *
   * @throws UserError if the folder has no config.json, or it is no model that can be read
   */
  public static DecoderConfig config(Path folder, Store store) {
    Path file = new Path(folder, "config.json");
    return DecoderConfigReader.read(text(file, store), file.toString());
  }

  private static boolean hasOwnHead(Checkpoint checkpoint) {
    if (!checkpoint.names().contains(DecoderWeights.LM_HEAD)) {
      return false;
    }
    TensorInfo head = checkpoint.info(DecoderWeights.LM_HEAD);
    TensorInfo embedding = checkpoint.info(DecoderWeights.EMBED_TOKENS);
    if (head.dtype() != embedding.dtype() || !Arrays.equals(head.shape(), embedding.shape())) {
      return true;
    }
    for (long at = 0; at < head.byteCount(); at += PIECE) {
      int n = (int) Math.min(PIECE, head.byteCount() - at);
      if (!bytes(checkpoint, DecoderWeights.LM_HEAD, at, n)
          .equals(bytes(checkpoint, DecoderWeights.EMBED_TOKENS, at, n))) {
        return true;
      }
    }
    return false;
  }

  private static ByteBuffer bytes(Checkpoint checkpoint, String name, long at, int count) {
    ByteBuffer bytes = ByteBuffer.allocate(count);
    checkpoint.read(name, at, bytes);
    return bytes.flip();
  }

  private static String text(Path file, Store store) {
    try (FSDataInputStream in = store.fileSystem(file).open(file)) {
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    } catch (FileNotFoundException e) {
      throw new UserError(
          "model_id is %s, but there is no config.json in that folder. It has to be a model in Hugging Face layout: config.json, safetensors, tokenizer.json.%s"
              .formatted(file.getParent(), MissingPath.otherDisk(file, store.hadoop())),
          e);
    } catch (IOException e) {
      throw new UserError(
          "model_id is %s, which cannot be read: %s".formatted(file.getParent(), e.getMessage()),
          e);
    }
  }

  private void check(NamedShape expected) {
    String name = expected.name();
    if (isQuantized(name)) {
      checkShape(expected, PrequantizedWeight.shape(checkpoint, name));
      return;
    }
    TensorInfo info = checkpoint.info(name);
    checkShape(expected, info.shape());
    switch (info.dtype()) {
      case F32, F16, BF16 -> {}
      case F64, I64, I32, I16, I8, U8, BOOL ->
          throw new UserError(
              "%s: the tensor %s is of type %s; weights are read from F32, F16 and BF16."
                  .formatted(checkpoint.where(name), name, info.dtype()));
    }
  }

  private void checkShape(NamedShape expected, long[] found) {
    if (!Arrays.equals(found, expected.dimensions())) {
      throw new UserError(
          "%s: the tensor %s has shape %s, but config.json asks for %s. The weights and the configuration are of different models."
              .formatted(
                  checkpoint.where(expected.name()),
                  expected.name(),
                  Arrays.toString(found),
                  expected.shape()));
    }
  }

  public Path path() {
    return path;
  }

  public DecoderConfig config() {
    return config;
  }

  public Checkpoint checkpoint() {
    return checkpoint;
  }

  /** All weights that the model computes with, first to last; a tied head is not one of them. */
  public List<NamedShape> weights() {
    List<NamedShape> names = new ArrayList<>();
    names.add(DecoderWeights.embedTokens(config));
    for (int layer = 0; layer < config.numHiddenLayers(); layer++) {
      names.addAll(DecoderWeights.layer(config, layer));
    }
    names.add(DecoderWeights.finalNorm(config));
    if (!config.tieWordEmbeddings()) {
      names.add(DecoderWeights.lmHead(config));
    }
    return names;
  }

  /**
   * Tensors of a model around a decoder that are not the decoder's: what reads images. They belong
   * to the model that is written, as they are.
   *
   * @throws UserError if one of them is quantised
   */
  public List<TensorInfo> others() {
    List<TensorInfo> others = new ArrayList<>();
    for (String name : checkpoint.names()) {
      boolean decoders =
          config.names() == ModuleNames.DECODER
              || name.equals(DecoderWeights.LM_HEAD)
              || !checkpoint.inFile(name).equals(name);
      if (!decoders && isQuantized(name)) {
        throw new UserError(
            "%s: the tensor %s is quantised, which outside of the decoder is not read. Take the model with 16-bit weights."
                .formatted(checkpoint.where(name), name));
      }
      if (!decoders) {
        others.add(checkpoint.info(name));
      }
    }
    return others;
  }

  /** A tensor's bytes as they are stored, in pieces. */
  public void stored(TensorInfo tensor, Consumer<ByteBuffer> sink) {
    for (long at = 0; at < tensor.byteCount(); at += PIECE) {
      int n = (int) Math.min(PIECE, tensor.byteCount() - at);
      sink.accept(bytes(checkpoint, tensor.name(), at, n));
    }
  }

  /** Whether bitsandbytes quantised the weight. */
  public boolean isQuantized(String name) {
    return PrequantizedWeight.in(checkpoint, name);
  }

  /** The weight's type, that before quantisation if it is quantised. */
  public DType dtype(String name) {
    return isQuantized(name)
        ? PrequantizedWeight.read(checkpoint, name).dtype()
        : checkpoint.info(name).dtype();
  }

  /** The weight's values. */
  public WeightValues values(String name) {
    return isQuantized(name)
        ? new Nf4Values(
            PrequantizedWeight.read(checkpoint, name),
            (firstByte, bytes) -> checkpoint.read(name, firstByte, ByteBuffer.wrap(bytes)))
        : new PlainWeightValues(checkpoint, name);
  }

  @Override
  public void close() {
    checkpoint.close();
  }
}
