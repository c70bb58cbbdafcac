package org.sparkfinetune.config;

import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.TreeMap;
import org.sparkfinetune.config.TrainConfig.LrSchedulerType;

/**
 * {@code lr_scheduler_kwargs}: what a schedule takes beside the rate and the warm-up, under
 * transformers' names.
 */
public record ScheduleOptions(LrSchedulerType type, Map<String, String> given) {
  private static final List<String> SHAPES = List.of("linear", "cosine", "1-sqrt");
  private static final List<String> WORDS = List.of("warmup_type", "decay_type");

  /**
   * @throws org.sparkfinetune.errors.UserError if the schedule takes none of that name, or needs
   *     one that is not there
   */
  public ScheduleOptions {
    given = Collections.unmodifiableMap(new TreeMap<>(given));
    Problems problems = new Problems();
    for (Map.Entry<String, String> option : given.entrySet()) {
      boolean isKnown = type.options().contains(option.getKey());
      boolean isWord = WORDS.contains(option.getKey());
      boolean isRight =
          isWord ? SHAPES.contains(option.getValue()) : decimal(option.getValue()) >= 0;
      problems.addIf(
          !isKnown,
          () ->
              "lr_scheduler_kwargs: %s takes no %s; it takes %s"
                  .formatted(
                      type.text(),
                      option.getKey(),
                      type.options().isEmpty() ? "nothing" : String.join(", ", type.options())));
      problems.addIf(
          isKnown && !isRight,
          () ->
              "lr_scheduler_kwargs.%s is %s; allowed is %s"
                  .formatted(
                      option.getKey(),
                      option.getValue(),
                      isWord ? String.join(", ", SHAPES) : "a number of at least 0"));
    }
    Map<String, String> options = given;
    problems.addIf(
        type == LrSchedulerType.COSINE_WITH_MIN_LR
            && options.containsKey("min_lr") == options.containsKey("min_lr_rate"),
        () ->
            "lr_scheduler_kwargs: cosine_with_min_lr needs min_lr, a rate, or min_lr_rate, a part of learning_rate, and not both");
    problems.addIf(
        type == LrSchedulerType.WARMUP_STABLE_DECAY && !options.containsKey("num_decay_steps"),
        () ->
            "lr_scheduler_kwargs: warmup_stable_decay needs num_decay_steps, the steps in which the rate falls");
    problems.refuse();
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
