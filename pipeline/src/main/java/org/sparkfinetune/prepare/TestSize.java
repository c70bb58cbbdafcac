package org.sparkfinetune.prepare;

import java.math.BigDecimal;
import java.math.RoundingMode;
import org.sparkfinetune.errors.UserError;

/** How much of the selected rows becomes the test split. */
public sealed interface TestSize {
  /** Rows of {@code selected}; exact, whatever the partitioning. */
  long rowsOf(long selected);

  record Rows(long rows) implements TestSize {
    public Rows {
      if (rows < 0) {
        throw new UserError("test_size: %d is negative. Give rows, or a fraction.".formatted(rows));
      }
    }

    @Override
    public long rowsOf(long selected) {
      return rows;
    }
  }

  /** Rounded up, as the reference does; computed in decimals, so that 0.07 of 100 is 7. */
  record Fraction(double fraction) implements TestSize {
    public Fraction {
      if (!(fraction >= 0 && fraction < 1)) {
        throw new UserError(
            "test_size: %s is not a fraction between 0 and 1. Give a fraction, or whole rows."
                .formatted(fraction));
      }
    }

    @Override
    public long rowsOf(long selected) {
      return BigDecimal.valueOf(fraction)
          .multiply(BigDecimal.valueOf(selected))
          .setScale(0, RoundingMode.CEILING)
          .longValueExact();
    }
  }
}
