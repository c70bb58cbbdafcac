package org.sparkfinetune.testing;

import org.junit.jupiter.api.Assumptions;
import org.sparkfinetune.engine.tensor.ComputeDevice;
import org.sparkfinetune.engine.tensor.NvidiaSmi;
import org.sparkfinetune.engine.tensor.Torch;
import org.sparkfinetune.engine.tensor.VisibleGpus;
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
    ComputeDevice.Cuda gpu = VisibleGpus.here().device(0);
    Torch.trouble(gpu)
        .ifPresent(
            trouble ->
                Assumptions.abort(
                    "The GPU here cannot be used: %s. %s."
                        .formatted(trouble.what(), trouble.advice())));
    return gpu;
  }
}
