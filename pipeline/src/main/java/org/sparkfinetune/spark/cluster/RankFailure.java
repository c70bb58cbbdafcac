package org.sparkfinetune.spark.cluster;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;
import org.sparkfinetune.engine.tensor.DeviceFailure;
import org.sparkfinetune.errors.Bug;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.spark.cluster.RankContext.RankProgress;
import org.sparkfinetune.spark.cluster.RootCause.FailureKind;

/**
 * A rank's failure on its way to the driver. Carries texts, not the exception: that may not be
 * serialisable, or its class unknown there.
 */
public final class RankFailure extends RuntimeException {
  private static final long serialVersionUID = 1L;

  private final FailureKind kind;
  private final int rank;
  private final String host;
  private final String phase;
  private final long step;
  private final String what;
  private final String stack;

  private RankFailure(
      FailureKind kind, int rank, String host, RankProgress.Point point, Throwable cause) {
    super(
        "Rank %s on %s failed in %s: %s".formatted(rank, host, point.text(), describe(cause)),
        executorsEnd(cause).orElse(null));
    this.kind = kind;
    this.rank = rank;
    this.host = host;
    this.phase = point.text();
    this.step = point.step().orElse(-1);
    this.what = describe(cause);
    this.stack = stackOf(cause);
  }

  public static RankFailure of(
      int rank, String host, RankProgress.Point point, Throwable thrown, boolean consequence) {
    Throwable cause = unwrapped(thrown);
    return new RankFailure(
        consequence ? FailureKind.CONSEQUENCE : kind(cause), rank, host, point, cause);
  }

  static RankFailure cancelled(int rank, String host, RankProgress.Point point, Throwable thrown) {
    return new RankFailure(FailureKind.CANCELLED, rank, host, point, unwrapped(thrown));
  }

  /**
   * After some failures a process cannot go on, and a new executor has to take its place. Spark
   * ends an executor, once it has told the driver of the failure, if a cause is an error of the
   * JVM's.
   */
  static Optional<VirtualMachineError> executorsEnd(Throwable cause) {
    return DeviceFailure.endsProcess(cause)
        ? Optional.of(new InternalError("This executor ends: its process has lost its GPU."))
        : Optional.empty();
  }

  /** Whether Spark ends the executor that it came from. */
  boolean endsExecutor() {
    return getCause() instanceof VirtualMachineError;
  }

  private static FailureKind kind(Throwable cause) {
    if (cause instanceof UserError) {
      return FailureKind.USER;
    }
    return cause instanceof Bug ? FailureKind.BUG : FailureKind.ERROR;
  }

  /** The message of our own errors is written to stand alone; others need their class. */
  private static String describe(Throwable cause) {
    boolean own = cause instanceof UserError || cause instanceof Bug || cause instanceof RunFailure;
    return own ? String.valueOf(cause.getMessage()) : cause.toString();
  }

  private static Throwable unwrapped(Throwable thrown) {
    Throwable at = thrown;
    while (isWrapper(at) && at.getCause() != null) {
      at = at.getCause();
    }
    return at;
  }

  private static boolean isWrapper(Throwable thrown) {
    return thrown instanceof CompletionException || thrown instanceof ExecutionException;
  }

  private static String stackOf(Throwable cause) {
    StringWriter text = new StringWriter();
    cause.printStackTrace(new PrintWriter(text));
    return text.toString();
  }

  FailureKind kind() {
    return kind;
  }

  int rank() {
    return rank;
  }

  String host() {
    return host;
  }

  String phase() {
    return phase;
  }

  OptionalLong step() {
    return step < 0 ? OptionalLong.empty() : OptionalLong.of(step);
  }

  /** The rank's own message, without rank and host. */
  String what() {
    return what;
  }

  String stack() {
    return stack;
  }
}
