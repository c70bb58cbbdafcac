package org.sparkfinetune.plan;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.function.UnaryOperator;
import org.sparkfinetune.config.TrainConfig;
import org.sparkfinetune.config.TrainConfig.GradientCheckpointing;
import org.sparkfinetune.config.TrainConfig.Method;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.model.family.DecoderConfig;
import org.sparkfinetune.plan.Workload.Inputs;
import org.sparkfinetune.plan.Workload.Kept;
import org.sparkfinetune.plan.Workload.Rows;

/** Makes plans for one configuration and model. */
public final class Planner {
  /** What the formulas have been thought through for. */
  public static final int MOST_RANKS = 1024;

  /** Of a device's memory, what may be planned to be used for speed alone. */
  private static final double USED_FOR_SPEED = 0.9;

  private final TrainConfig config;
  private final DecoderConfig model;
  private final OptionalLong dataTokens;

  /**
   * @param dataTokens of the training split once, if known; without it, and without {@code
   *     max_steps}, a plan has no hours
   */
  public Planner(TrainConfig config, DecoderConfig model, OptionalLong dataTokens) {
    this.config = config;
    this.model = model;
    this.dataTokens = dataTokens;
  }

  /**
   * The plan for so many devices.
   *
   * @param others of which larger ones are recommended where it does not fit
   * @throws UserError if {@code ranks} is not 1 to {@link #MOST_RANKS}
   */
  public Plan plan(Device device, int ranks, List<Device> others) {
    if (ranks < 1 || ranks > MOST_RANKS) {
      throw new UserError("gpus is %s; allowed: 1 to %s".formatted(ranks, MOST_RANKS));
    }
    Workload work = Workload.of(config, model, device, ranks);
    Memory memory = Memory.of(work, device);
    Timing timing = Timing.of(work, device, memory.residency(work, device), steps(work));
    boolean fits = memory.needed() <= Plan.available(device, ranks);
    return new Plan(
        device,
        ranks,
        memory,
        timing,
        work.learning(),
        work.frozen(),
        memory.resident() == 0 ? Optional.empty() : Optional.of(offloaded(work, device)),
        fits ? List.of() : advice(work, device, others),
        fits ? faster(work, device, timing.stepSeconds()) : Optional.empty());
  }

  private Timing offloaded(Workload work, Device device) {
    Workload streaming = work.withOffload();
    Residency none = Memory.of(streaming, device).residency(streaming, device);
    return Timing.of(streaming, device, none, steps(work));
  }

  /**
   * Keeping more of layers for their backward.
   *
   * @param now seconds of a step as configured
   */
  private static Optional<Plan.Advice> faster(Workload work, Device device, double now) {
    Optional<Plan.Advice> faster = Optional.empty();
    double seconds = now;
    for (GradientCheckpointing more :
        List.of(GradientCheckpointing.SELECTIVE, GradientCheckpointing.OFF)) {
      Workload changed = work.withKept(new Kept(more, work.kept().inputs()));
      Memory memory = Memory.of(changed, device);
      long needed = memory.needed();
      double then =
          Timing.of(changed, device, memory.residency(changed, device), OptionalLong.empty())
              .stepSeconds();
      if (then < 0.98 * seconds
          && needed <= USED_FOR_SPEED * Plan.available(device, work.ranks())) {
        seconds = then;
        String cost =
            String.format(
                Locale.ROOT, "a step takes %.2f s in place of %.2f s; same result", then, now);
        faster =
            Optional.of(
                new Plan.Advice("gradient_checkpointing: " + more.text(), cost, needed, true));
      }
    }
    return faster;
  }

  private OptionalLong steps(Workload work) {
    if (config.loop().maxSteps().isPresent()) {
      return OptionalLong.of(config.loop().maxSteps().getAsInt());
    }
    if (dataTokens.isEmpty()) {
      return OptionalLong.empty();
    }
    double rows = Math.ceil((double) dataTokens.getAsLong() / work.rows().length());
    double perStep = (double) work.ranks() * work.rows().perBatch() * work.rows().batches();
    double steps = Math.ceil(config.loop().numTrainEpochs() * Math.ceil(rows / perStep));
    return OptionalLong.of(Math.max(1, (long) steps));
  }

  private record Change(String text, String cost, UnaryOperator<Workload> apply) {}

  /** In this order: what keeps the result first, what costs money last. */
  private List<Plan.Advice> advice(Workload start, Device device, List<Device> others) {
    List<Plan.Advice> advice = new ArrayList<>();
    Workload work = start;
    long needed = Memory.of(start, device).needed();
    for (Change change : changes(start, device)) {
      Workload changed = change.apply().apply(work);
      long then = Memory.of(changed, device).needed();
      if (then < 0.98 * needed) {
        work = changed;
        needed = then;
        boolean fits = then <= Plan.available(device, changed.ranks());
        advice.add(new Plan.Advice(change.text(), change.cost(), then, fits));
        if (fits) {
          return advice;
        }
      }
    }
    larger(start, others).ifPresent(advice::add);
    return advice;
  }

  private static List<Change> changes(Workload start, Device device) {
    List<Change> changes = new ArrayList<>();
    if (start.kept().checkpointing() != GradientCheckpointing.ON) {
      changes.add(
          new Change(
              "gradient_checkpointing: true",
              "layers are computed again; same result",
              w -> w.withKept(new Kept(GradientCheckpointing.ON, w.kept().inputs()))));
    }
    if (!start.inputsInFile()) {
      changes.add(
          new Change(
              "activation_offload: true",
              "layers' inputs go to a local file and back; same result",
              w -> w.withKept(new Kept(w.kept().checkpointing(), Inputs.IN_A_FILE))));
    }
    if (start.method() != Method.QLORA) {
      changes.add(
          new Change(
              "method: qlora",
              start.method() == Method.FULL
                  ? "an adapter instead of all weights"
                  : "base in 4 bits",
              w -> w.withMethod(Method.QLORA)));
    }
    Rows rows = start.rows();
    if (rows.batches() * rows.perBatch() > 1) {
      changes.add(
          new Change(
              "gradient_accumulation_steps: 1, per_device_train_batch_size: 1",
              "steps of fewer rows, or that many times as many ranks",
              w -> w.withRows(new Rows(w.rows().length(), 1, 1))));
    }
    for (int length = rows.length() / 2; length >= 512; length /= 2) {
      int shorter = length;
      changes.add(
          new Change(
              "max_seq_length: " + shorter,
              "longer samples are dropped, truncated or split",
              w -> w.withRows(new Rows(shorter, w.rows().perBatch(), w.rows().batches()))));
    }
    if (device.kind() == Device.Kind.GPU) {
      for (int ranks = start.ranks() * 2; ranks <= MOST_RANKS; ranks *= 2) {
        int more = ranks;
        changes.add(new Change(more + " GPUs", "twice the price an hour", w -> w.withRanks(more)));
      }
    }
    return changes;
  }

  private Optional<Plan.Advice> larger(Workload work, List<Device> others) {
    return others.stream()
        .filter(device -> Memory.of(work, device).needed() <= device.memoryBytes())
        .min(Comparator.comparingDouble(Device::usdPerHour))
        .map(
            device ->
                new Plan.Advice(
                    "instead of all that: gpu_type " + device.name(),
                    String.format(Locale.ROOT, "%.2f USD an hour each", device.usdPerHour()),
                    Memory.of(work, device).needed(),
                    true));
  }
}
