package org.sparkfinetune.config;

import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import org.sparkfinetune.errors.UserError;

/** Makes the record of {@code prepare} from the values of its keys. */
final class PrepareAssembler {

  private static final TestSize DEFAULT_TEST_SIZE = new TestSize.Fraction(0.2);
  private static final TestSize NO_TEST_SPLIT = new TestSize.Rows(0);

  /** Training's. */
  private static final int DEFAULT_SEQ_LENGTH = TrainKeys.MAX_SEQ_LENGTH.otherwise().orElseThrow();

  private PrepareAssembler() {}

  static PrepareConfig assemble(Values values) {
    refuseTwoTestSplits(values);
    return new PrepareConfig(
        values.of(PrepareKeys.DATASET),
        values.of(PrepareKeys.INPUT),
        values.of(PrepareKeys.TEST_INPUT),
        values.of(PrepareKeys.OUTPUT),
        values.of(PrepareKeys.SEED),
        values.of(PrepareKeys.NUM_SAMPLES).map(OptionalLong::of).orElse(OptionalLong.empty()),
        values.of(PrepareKeys.TEST_SIZE).orElse(NO_TEST_SPLIT),
        values.of(PrepareKeys.SYSTEM_MESSAGE),
        values.of(PrepareKeys.TEMPLATE),
        values.of(PrepareKeys.STRATIFY_BY),
        values.of(PrepareKeys.DEDUPLICATE),
        values.of(PrepareKeys.FORMATS),
        values.of(PrepareKeys.MAX_REJECTED),
        values.of(PrepareKeys.OVERWRITE),
        tokens(values));
  }

  private static Optional<TokenCounting> tokens(Values values) {
    Optional<String> tokenizer = values.of(PrepareKeys.TOKENIZER);
    if (tokenizer.isEmpty()) {
      for (Key<?> key : List.of(PrepareKeys.CHAT_TEMPLATE, PrepareKeys.MAX_SEQ_LENGTH)) {
        values
            .place(key)
            .ifPresent(
                place -> {
                  throw new UserError(
                      place
                          + ": %s is for counting tokens in the report, which needs the key"
                              .formatted(key)
                          + " tokenizer too");
                });
      }
    }
    int length = values.of(PrepareKeys.MAX_SEQ_LENGTH).orElse(DEFAULT_SEQ_LENGTH);
    return tokenizer.map(
        files -> new TokenCounting(files, values.of(PrepareKeys.CHAT_TEMPLATE), length));
  }

  /**
   * No {@code test_size} beside a ready test split, so that the resolved file says what is done.
   */
  static Values withDependentDefaults(Values values) {
    boolean isOpen = values.of(PrepareKeys.TEST_SIZE).isEmpty();
    return isOpen && values.of(PrepareKeys.TEST_INPUT).isEmpty()
        ? values.with(PrepareKeys.TEST_SIZE, Optional.of(DEFAULT_TEST_SIZE))
        : values;
  }

  private static void refuseTwoTestSplits(Values values) {
    if (values.of(PrepareKeys.TEST_INPUT).isPresent()) {
      values
          .place(PrepareKeys.TEST_SIZE)
          .ifPresent(
              place -> {
                throw new UserError(
                    place
                        + ": test_size cuts a test split, but test_input names a ready one; keep"
                        + " one of the two");
              });
    }
  }
}
