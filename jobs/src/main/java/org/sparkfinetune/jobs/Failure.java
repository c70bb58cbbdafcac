package org.sparkfinetune.jobs;

import java.io.IOException;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.apache.hadoop.fs.FSError;
import org.apache.spark.SparkException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.errors.Bug;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.errors.Sentence;
import org.sparkfinetune.errors.UserError;

/** From what a command threw to what its user reads and the exit code. */
final class Failure {
  static final int RUN_FAILED = 1;
  static final int USER_MUST_ACT = 2;

  private static final String OUT_OF_MEMORY =
      "A process ran out of memory: %s Give it more: spark.driver.memory (--driver-memory) for the"
          + " driver, spark.executor.memory for executors.";
  private static final String NOT_LOADED =
      "A library that this command needs cannot be loaded: %s: %s Give spark-submit the store's"
          + " client (for s3a: --packages org.apache.hadoop:hadoop-aws:VERSION of its Hadoop), and"
          + " use the Java (17), the Spark and the Linux of the README on every machine.";
  private static final String STORE =
      "Reading or writing failed: %s: %s Check that disk or store is there, has room and may be"
          + " written.";

  private static final Logger LOG = LoggerFactory.getLogger(Failure.class);

  private Failure() {}

  /** Prints the message and returns the exit code. */
  static int report(Throwable thrown, PrintWriter err) {
    List<Throwable> chain = chain(thrown);
    RuntimeException told =
        ours(chain)
            .or(() -> surroundings(chain))
            .orElseGet(() -> new Bug("Unexpected " + thrown + ".", thrown));
    if (told instanceof Bug) {
      told.printStackTrace(err);
    } else {
      LOG.debug("The command failed", thrown);
      err.println(told.getMessage());
    }
    err.flush();
    return told instanceof UserError ? USER_MUST_ACT : RUN_FAILED;
  }

  private static List<Throwable> chain(Throwable thrown) {
    List<Throwable> chain = new ArrayList<>();
    for (Throwable at = thrown; at != null && !chain.contains(at); at = at.getCause()) {
      chain.add(at);
    }
    return chain;
  }

  /** Spark and futures wrap what our code throws, so the first of our types decides. */
  private static Optional<RuntimeException> ours(List<Throwable> chain) {
    return chain.stream()
        .filter(at -> at instanceof UserError || at instanceof RunFailure || at instanceof Bug)
        .map(RuntimeException.class::cast)
        .findFirst();
  }

  /**
   * What machines, stores and clusters do to a command that is right: nothing to report to its
   * authors. The deepest cause that is known says most.
   */
  private static Optional<RuntimeException> surroundings(List<Throwable> chain) {
    for (int i = chain.size() - 1; i >= 0; i--) {
      Optional<RuntimeException> known = surroundings(chain.get(i), chain.get(0));
      if (known.isPresent()) {
        return known;
      }
    }
    return sparks(chain);
  }

  private static Optional<RuntimeException> surroundings(Throwable cause, Throwable thrown) {
    String words = Sentence.ended(firstLine(cause));
    String type = cause.getClass().getSimpleName();
    if (cause instanceof OutOfMemoryError) {
      return failed(thrown, OUT_OF_MEMORY.formatted(words));
    }
    boolean missing = cause instanceof LinkageError || cause instanceof ClassNotFoundException;
    if (missing && !(cause instanceof ExceptionInInitializerError)) {
      return Optional.of(new UserError(NOT_LOADED.formatted(type, words), thrown));
    }
    if (cause instanceof InterruptedException) {
      return failed(thrown, "The command was interrupted. Start it again to go on.");
    }
    boolean store =
        cause instanceof IOException
            || cause instanceof UncheckedIOException
            || cause instanceof FSError;
    return store ? failed(thrown, STORE.formatted(type, words)) : Optional.empty();
  }

  /** Of Spark alone: an executor that was lost, a job that was cancelled, a context that ended. */
  private static Optional<RuntimeException> sparks(List<Throwable> chain) {
    Throwable root = chain.get(chain.size() - 1);
    boolean stopped = firstLine(root).startsWith("Cannot call methods on a stopped SparkContext");
    return root instanceof SparkException || stopped
        ? failed(
            chain.get(0),
            "Spark ended the job: %s The logs of driver and executors say more."
                .formatted(Sentence.ended(firstLine(root))))
        : Optional.empty();
  }

  private static Optional<RuntimeException> failed(Throwable thrown, String message) {
    return Optional.of(new RunFailure(message, thrown));
  }

  /** The lines under it are stack traces of other machines. */
  private static String firstLine(Throwable thrown) {
    String message = thrown.getMessage();
    return message == null
        ? thrown.getClass().getSimpleName()
        : message.lines().findFirst().orElse("");
  }
}
