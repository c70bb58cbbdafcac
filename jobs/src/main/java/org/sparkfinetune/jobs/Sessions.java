package org.sparkfinetune.jobs;

import org.apache.spark.SparkConf;
import org.apache.spark.sql.SparkSession;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.errors.Sentence;
import org.sparkfinetune.errors.UserError;

/**
 * Starts Spark, whose own words for settings that it refuses come without a hint where they are.
 */
final class Sessions {
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
}
