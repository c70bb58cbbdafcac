package org.sparkfinetune.spark.prepare;

import java.io.Serializable;
import java.util.Arrays;
import org.apache.spark.sql.Row;

/**
 * Finds repeats in sorted rows, where the copies of a text and its near copies follow each other.
 */
final class DuplicateFinder {
  /** What becomes of a row whose normalised text was there before. */
  enum Policy {
    KEEP,
    DROP
  }

  /**
   * Rows whose text was there before, to the byte or but for case, width and white space.
   *
   * @param dropped how many of both were left out
   */
  record Counts(long exact, long near, long dropped) implements Serializable {
    static final Counts NONE = new Counts(0, 0, 0);

    Counts plus(Counts other) {
      return new Counts(exact + other.exact, near + other.near, dropped + other.dropped);
    }
  }

  /**
   * @param copy 0 for a text's first row, 1 for the next row of the same bytes…
   */
  record Verdict(boolean firstOfGroup, boolean dropped, int copy) {}

  private final Policy policy;
  private boolean any;
  private long order;
  private long group;
  private byte[] first = new byte[0];
  private byte[] previous = new byte[0];
  private int copy;
  private long exact;
  private long near;
  private long dropped;

  DuplicateFinder(Policy policy) {
    this.policy = policy;
  }

  Verdict next(Row row) {
    return next(ShuffledRow.order(row), ShuffledRow.group(row), ShuffledRow.body(row));
  }

  Verdict next(long nextOrder, long nextGroup, byte[] body) {
    boolean sameGroup = any && order == nextOrder && group == nextGroup;
    boolean sameBytes = sameGroup && Arrays.equals(previous, body);
    any = true;
    order = nextOrder;
    group = nextGroup;
    previous = body;
    copy = sameBytes ? copy + 1 : 0;
    if (!sameGroup) {
      first = body;
      return new Verdict(true, false, 0);
    }
    if (sameBytes || Arrays.equals(first, body)) {
      exact++;
    } else {
      near++;
    }
    boolean drop =
        switch (policy) {
          case KEEP -> false;
          case DROP -> true;
        };
    dropped += drop ? 1 : 0;
    return new Verdict(false, drop, copy);
  }

  Counts counts() {
    return new Counts(exact, near, dropped);
  }
}
