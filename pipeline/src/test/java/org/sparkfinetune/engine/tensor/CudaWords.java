package org.sparkfinetune.engine.tensor;

import static org.assertj.core.api.Assertions.catchThrowableOfType;

import ai.djl.engine.EngineException;
import ai.djl.pytorch.jni.IValue;
import java.util.Optional;
import org.sparkfinetune.errors.RunFailure;

/**
 * Errors of CUDA's on a machine without a GPU: a script is given CUDA's words as the name of a
 * device, and libtorch's error repeats it.
 */
public final class CudaWords {
  static final ComputeDevice.Cuda GPU = new ComputeDevice.Cuda(1, 3);

  private CudaWords() {}

  /** What libtorch throws, through script, bridge and DJL. */
  static EngineException thrown(Torch torch, String words) {
    return catchThrowableOfType(
        EngineException.class, () -> torch.number("catch_up", IValue.from(words)));
  }

  static Optional<RunFailure> failure(Torch torch, String words) {
    return DeviceFailure.of(thrown(torch, words), "attention", GPU);
  }

  /** The failure of a rank on a GPU, in a process of its own. */
  public static RunFailure failure(String words) {
    try (Torch torch = Torch.start(1)) {
      return failure(torch, words).orElseThrow();
    }
  }
}
