package org.sparkfinetune.engine.tensor;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.sparkfinetune.engine.tensor.Ops.AdamWStep;
import org.sparkfinetune.engine.tensor.Ops.BlockwiseCode;
import org.sparkfinetune.engine.tensor.Ops.BlockwiseMoment;
import org.sparkfinetune.engine.tensor.Tensor.ElementType;
import org.sparkfinetune.model.quant.DynamicMap;

class BlockwiseCodeTest {

  /** At the borders between codes and right beside them, beside a search through all values. */
  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void the_code_is_that_of_the_nearest_value(boolean isSigned) {
    float[] map = isSigned ? DynamicMap.values() : DynamicMap.unsigned();
    List<Float> gradients = new ArrayList<>(List.of(0f, -0f, Float.MIN_VALUE, 1e-30f));
    for (int code = 0; code < 255; code++) {
      float border = (map[code] + map[code + 1]) / 2;
      float near = isSigned ? border : (float) Math.sqrt(border);
      gradients.addAll(List.of(near, Math.nextUp(near), Math.nextDown(near), map[code]));
    }
    // More than is taken at a time.
    float[] blocks = new float[Math.toIntExact(2 * DeviceSizes.OF_CPU.optimizerElements()) + 768];
    for (int i = 0, at = 0; i < blocks.length; i++) {
      // A block that holds 1 is divided by 1.
      blocks[i] = i % 256 == 0 ? 1 : gradients.get(at++ % gradients.size());
    }
    try (Torch torch = Torch.start(1);
        Scope scope = torch.scope()) {
      Ops ops = new Ops(torch);
      BlockwiseMoment mean = moment(ops, scope, DynamicMap.values(), blocks.length);
      BlockwiseMoment square = moment(ops, scope, DynamicMap.unsigned(), blocks.length);
      Tensor p = ops.zeros(scope, ElementType.FLOAT32, blocks.length);
      Tensor g = ops.ofFloats(scope, blocks, blocks.length);
      ops.adamw8bit(scope, p, g, mean, square, new AdamWStep(1, 0, 0, 0, 0, 1e-8, 1));
      byte[] codes = new byte[blocks.length];
      (isSigned ? mean : square).codes().bytes().get(codes);
      List<String> wrong = new ArrayList<>();
      for (int i = 0; i < blocks.length; i++) {
        float x = isSigned ? blocks[i] : blocks[i] * blocks[i];
        if (Byte.toUnsignedInt(codes[i]) != nearest(map, x)) {
          wrong.add(x + " at " + i);
        }
      }
      assertThat(wrong).isEmpty();
    }
  }

  private static BlockwiseMoment moment(Ops ops, Scope scope, float[] values, int elements) {
    BlockwiseCode code = ops.blockwiseCode(scope, values);
    return new BlockwiseMoment(
        ops.zeros(scope, ElementType.UINT8, elements),
        ops.zeros(scope, ElementType.FLOAT32, elements / 256),
        code);
  }

  /** The lower of two that are as near, as the border between them is rounded. */
  private static int nearest(float[] map, float x) {
    int code = 0;
    while (code < 255 && x > (map[code] + map[code + 1]) / 2) {
      code++;
    }
    return code;
  }
}
