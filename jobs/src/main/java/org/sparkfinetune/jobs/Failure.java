package org.sparkfinetune.jobs;

import java.io.PrintWriter;
import org.sparkfinetune.errors.Bug;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.errors.UserError;

/** From what a command threw to what its user reads and the exit code. */
final class Failure {
  static final int RUN_FAILED = 1;
  static final int USER_MUST_ACT = 2;

  private Failure() {}

  /** Prints the message and returns the exit code. */
  static int report(Throwable thrown, PrintWriter err) {
    Throwable ours = firstOfOurs(thrown);
    if (ours instanceof UserError) {
      err.println(ours.getMessage());
      err.flush();
      return USER_MUST_ACT;
    }
    if (ours instanceof RunFailure) {
      err.println(ours.getMessage());
    } else {
      Throwable bug = ours instanceof Bug ? ours : new Bug("Unexpected " + thrown + ".", thrown);
      bug.printStackTrace(err);
    }
    err.flush();
    return RUN_FAILED;
  }

  /** Spark and futures wrap what our code throws, so the first of our types decides. */
  private static Throwable firstOfOurs(Throwable thrown) {
    Throwable at = thrown;
    while (!(at instanceof UserError || at instanceof RunFailure || at instanceof Bug)) {
      Throwable cause = at.getCause();
      if (cause == null) {
        return thrown;
      }
      at = cause;
    }
    return at;
  }
}
