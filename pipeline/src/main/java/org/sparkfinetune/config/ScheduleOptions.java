package org.sparkfinetune.config;

import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.TreeMap;
import org.sparkfinetune.config.TrainConfig.LrSchedulerType;
import org.sparkfinetune.errors.UserError;

/**
 * {@code lr_scheduler_kwargs}: what a schedule takes beside the rate and the warm-up, under
 * transformers' names.
 */
public record ScheduleOptions(LrSchedulerType type, Map<String, String> given) {
  private static final List<String> SHAPES = List.of("linear", "cosine", "1-sqrt");
  private static final List<String> WORDS = List.of("warmup_type", "decay_type");

  /**
   * @throws UserError if the schedule takes none of that name, or needs one that is not there
   */
  public ScheduleOptions {
    given = Collections.unmodifiableMap(new TreeMap<>(given));
    for (Map.Entry<String, String> option : given.entrySet()) {
      if (!type.options().contains(option.getKey())) {
        throw new UserError(
            "lr_scheduler_kwargs: %s takes no %s; it takes %s"
                .formatted(
                    type.text(),
                    option.getKey(),
                    type.options().isEmpty() ? "nothing" : String.join(", ", type.options())));
      }
      if (WORDS.contains(option.getKey())) {
        require(SHAPES.contains(option.getValue()), option, String.join(", ", SHAPES));
      } else {
        require(decimal(option.getValue()) >= 0, option, "a number of at least 0");
      }
    }
    if (type == LrSchedulerType.COSINE_WITH_MIN_LR
        && given.containsKey("min_lr") == given.containsKey("min_lr_rate")) {
      throw new UserError(
          "lr_scheduler_kwargs: cosine_with_min_lr needs min_lr, a rate, or min_lr_rate, a part of learning_rate, and not both");
    }
    if (type == LrSchedulerType.WARMUP_STABLE_DECAY && !given.containsKey("num_decay_steps")) {
      throw new UserError(
          "lr_scheduler_kwargs: warmup_stable_decay needs num_decay_steps, the steps in which the rate falls");
    }
  }

  private static void require(boolean right, Map.Entry<String, String> option, String allowed) {
    if (!right) {
      throw new UserError(
          "lr_scheduler_kwargs.%s is %s; allowed is %s"
              .formatted(option.getKey(), option.getValue(), allowed));
    }
  }

  private static double decimal(String text) {
    try {
      double value = Double.parseDouble(text);
      return Double.isFinite(value) ? value : Double.NaN;
    } catch (NumberFormatException e) {
      return Double.NaN;
    }
  }

  public OptionalDouble number(String name) {
    return given.containsKey(name)
        ? OptionalDouble.of(decimal(given.get(name)))
        : OptionalDouble.empty();
  }

  /** One of {@code linear}, {@code cosine}, {@code 1-sqrt}. */
  public String shape(String name, String otherwise) {
    return given.getOrDefault(name, otherwise);
  }
}
