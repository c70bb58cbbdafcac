package org.sparkfinetune.bench;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import org.sparkfinetune.errors.Bug;
import org.sparkfinetune.model.family.LinearModule;
import org.sparkfinetune.model.quant.DoubleQuantization;
import org.sparkfinetune.model.quant.Nf4Codec;
import org.sparkfinetune.model.quant.PrequantizedWeight;
import org.sparkfinetune.model.safetensors.DType;
import org.sparkfinetune.model.safetensors.Floats;
import org.sparkfinetune.model.safetensors.NamedShape;
import org.sparkfinetune.model.safetensors.TensorSpec;

/**
 * Weights in bitsandbytes' NF4 layout with double quantisation. A weight is drawn again for each
 * pass over it, so that of a model no more than one weight's absmax is held.
 */
final class Nf4Model {
  private static final PrequantizedWeight.Storage STORAGE = PrequantizedWeight.Storage.UINT8;

  /** How often a weight is drawn: for its size in the file, its codes and its constants. */
  static final int DRAWS = 3;

  private final Nf4Codec codec = Nf4Codec.fastest();
  private final Drawing drawing;

  /** Draws a weight from its first element on. */
  interface Drawing {
    /**
     * @param sink takes bf16 values in pieces of whole blocks, the last maybe short
     */
    void draw(NamedShape tensor, Consumer<ByteBuffer> sink);
  }

  Nf4Model(Drawing drawing) {
    this.drawing = drawing;
  }

  /** The linears of layers are quantised, all else is not; routers of experts are no linears. */
  static boolean quantizes(NamedShape tensor) {
    return LinearModule.isWeight(tensor.name());
  }

  List<TensorSpec> specs(NamedShape tensor) {
    PrequantizedWeight weight = constants(tensor);
    List<TensorSpec> specs = new ArrayList<>(List.of(weight.packedSpec(STORAGE)));
    weight.parts().forEach(part -> specs.add(part.spec()));
    return specs;
  }

  /** In the order of {@link #specs}. */
  void write(NamedShape tensor, Consumer<ByteBuffer> sink) {
    drawing.draw(
        tensor,
        bytes -> {
          float[] values = floats(bytes);
          float[] absmax = absmax(values);
          ByteBuffer packed = ByteBuffer.allocate((values.length + 1) / 2);
          codec.encode(values, 0, values.length, absmax, 0, packed);
          sink.accept(packed.flip());
        });
    constants(tensor).parts().forEach(part -> sink.accept(part.bytes()));
  }

  private PrequantizedWeight constants(NamedShape tensor) {
    long blocks = (tensor.elements() + Nf4Codec.BLOCK - 1) / Nf4Codec.BLOCK;
    float[] absmax = new float[Math.toIntExact(blocks)];
    int[] done = {0};
    drawing.draw(
        tensor,
        bytes -> {
          float[] part = absmax(floats(bytes));
          System.arraycopy(part, 0, absmax, done[0], part.length);
          done[0] += part.length;
        });
    double sum = DoubleQuantization.sum(absmax, 0, absmax.length);
    float offset = DoubleQuantization.offset(sum, absmax.length);
    return new PrequantizedWeight(
        tensor.name(), DType.BF16, tensor.dimensions(), DoubleQuantization.encode(absmax, offset));
  }

  private float[] absmax(float[] values) {
    float[] absmax = new float[Nf4Codec.blocks(values.length)];
    codec.absmax(values, 0, values.length, absmax, 0);
    return absmax;
  }

  private static float[] floats(ByteBuffer bf16) {
    float[] values = new float[bf16.remaining() / Short.BYTES];
    Floats.toFloats(DType.BF16, bf16, values, 0, values.length);
    return values;
  }

  /** {@code config.json} with what transformers says about such weights. */
  static String configJson(String plain) {
    try {
      ObjectMapper mapper = new ObjectMapper();
      ObjectNode config = (ObjectNode) mapper.readTree(plain);
      config
          .putObject("quantization_config")
          .put("bnb_4bit_compute_dtype", "bfloat16")
          .put("bnb_4bit_quant_storage", "uint8")
          .put("bnb_4bit_quant_type", "nf4")
          .put("bnb_4bit_use_double_quant", true)
          .put("load_in_4bit", true)
          .put("load_in_8bit", false)
          .put("quant_method", "bitsandbytes");
      return mapper.writerWithDefaultPrettyPrinter().writeValueAsString(config) + "\n";
    } catch (JsonProcessingException e) {
      throw new Bug("A shape's config.json was read before and is no JSON now.", e);
    }
  }
}
