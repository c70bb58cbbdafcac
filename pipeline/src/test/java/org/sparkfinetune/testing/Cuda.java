package org.sparkfinetune.testing;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import org.junit.jupiter.api.Assumptions;
import org.sparkfinetune.engine.tensor.ComputeDevice;
import org.sparkfinetune.engine.tensor.NvidiaSmi;
import org.sparkfinetune.engine.tensor.Torch;
import org.sparkfinetune.errors.RunFailure;

/** For tests that need a GPU: where there is none they are skipped, and say what is missing. */
public final class Cuda {
  private Cuda() {}

  public static ComputeDevice assumed() {
    try {
      new NvidiaSmi().gpu(0);
    } catch (RunFailure e) {
      Assumptions.abort("There is no GPU here: " + e.getMessage());
    }
    assumeTrue(
        Torch.hasCuda(),
        "The libtorch here has no CUDA: put ai.djl.pytorch:pytorch-native-cu128 on the class path,"
            + " and libcudart's folder into LD_LIBRARY_PATH.");
    return new ComputeDevice.Cuda(0);
  }
}
