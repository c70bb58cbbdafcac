package org.sparkfinetune.jobs;

import org.apache.spark.SparkConf;
import org.apache.spark.sql.SparkSession;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.errors.Sentence;
import org.sparkfinetune.errors.UserError;

/**
 * Starts Spark, whose own words for settings that it refuses come without a hint where they are.
 */
final class Sessions {
  private static final Logger LOG = LoggerFactory.getLogger(Sessions.class);
  private static final String SERIALIZER = "spark.serializer";

  /**
   * Plans and results of tasks are records and Java's collections. Kryo takes records of no kind,
   * and with {@code registrationRequired} no class that a cluster's settings do not name.
   */
  private static final String JAVA = "org.apache.spark.serializer.JavaSerializer";

  private Sessions() {}

  /** With the settings that spark-submit was given. */
  static SparkSession start(String command) {
    return start(named(command));
  }

  /** Settings of spark-submit, for an application of this name. */
  static SparkConf named(String command) {
    return new SparkConf().setAppName("spark-finetune " + command);
  }

  /**
   * A session with these settings.
   *
   * @throws UserError if Spark refuses one of them
   * @throws RunFailure if it does not start for another reason
   */
  static SparkSession start(SparkConf conf) {
    if (!conf.get(SERIALIZER, JAVA).equals(JAVA)) {
      LOG.info(
          "{} is {} here: rows have Spark SQL's own, and all else is little.", SERIALIZER, JAVA);
    }
    conf.set(SERIALIZER, JAVA);
    loadAhead();
    try {
      return SparkSession.builder().config(conf).getOrCreate();
    } catch (Exception e) {
      // Spark's Scala code throws checked exceptions without declaring them.
      String words = String.valueOf(e.getMessage()).replaceFirst("^requirement failed: ", "");
      if (e instanceof IllegalArgumentException || words.contains("Could not parse Master URL")) {
        throw new UserError(
            "Spark refuses its settings: %s Correct --master, --conf or --properties-file of spark-submit."
                .formatted(Sentence.ended(words)),
            e);
      }
      throw new RunFailure("Spark could not be started: " + words, e);
    }
  }

  /**
   * Scala's reflection, half a second of loading that the first query waits for, while Spark starts
   * and most of its processors wait for something else.
   */
  private static void loadAhead() {
    Thread thread =
        new Thread(
            () -> {
              try {
                Class.forName("org.apache.spark.sql.catalyst.ScalaReflection$");
              } catch (ClassNotFoundException | LinkageError e) {
                LOG.debug("Not loaded ahead", e);
              }
            },
            "load-ahead");
    thread.setDaemon(true);
    thread.start();
  }
}
