package org.sparkfinetune.spark.cluster;

import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.regex.Pattern;

/**
 * What made a stage fail, as opposed to what failed because of it.
 *
 * @param place rank, host and phase in words, as far as known
 * @param stack of the exception on the executor, or empty
 */
public record RootCause(
    FailureKind kind,
    OptionalInt rank,
    OptionalLong step,
    String place,
    String what,
    String stack) {
  private static final Pattern SIZE = Pattern.compile("\\d+(?:\\.\\d+)? (?:bytes|[KMG]iB)");

  public static RootCause of(RankFailure failure) {
    return new RootCause(
        failure.kind(),
        OptionalInt.of(failure.rank()),
        failure.step(),
        "rank %s on %s in %s".formatted(failure.rank(), failure.host(), failure.phase()),
        failure.what(),
        failure.stack());
  }

  public static RootCause lost(int rank, String host, String how) {
    return new RootCause(
        FailureKind.LOST,
        OptionalInt.of(rank),
        OptionalLong.empty(),
        "rank %s on %s".formatted(rank, host),
        "its executor was lost: " + how,
        "");
  }

  static RootCause stage(String what) {
    return new RootCause(
        FailureKind.ERROR, OptionalInt.empty(), OptionalLong.empty(), "the stage", what, "");
  }

  public String text() {
    return "%s: %s".formatted(place, what);
  }

  /**
   * The same failure of our own at the same step: trying again would end there again. Sizes in the
   * words may differ, of memory for example.
   */
  public boolean repeats(RootCause earlier) {
    return isDeterministic()
        && earlier.isDeterministic()
        && step.equals(earlier.step)
        && withoutSizes(what).equals(withoutSizes(earlier.what));
  }

  private static String withoutSizes(String words) {
    return SIZE.matcher(words).replaceAll("size");
  }

  private boolean isDeterministic() {
    return switch (kind) {
      case BUG, ERROR -> rank.isPresent();
      case USER, CONSEQUENCE, CANCELLED, LOST -> false;
    };
  }

  /** Why a rank or a stage failed, as far as what to do next depends on it. */
  public enum FailureKind {
    /** The user has to change something. */
    USER,
    /** A mistake of this program. */
    BUG,
    /** The rank threw something else. */
    ERROR,
    /** The rank failed because another one had. */
    CONSEQUENCE,
    /** Spark told the rank to end. */
    CANCELLED,
    /** The executor's process or machine is gone. */
    LOST
  }
}
