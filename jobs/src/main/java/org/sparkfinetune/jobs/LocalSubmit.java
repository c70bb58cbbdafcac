package org.sparkfinetune.jobs;

import java.io.IOException;
import java.io.Reader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.regex.Pattern;
import org.apache.spark.deploy.SparkSubmit;

/**
 * What {@code SparkSubmit} does for a local master whose JVM has our jar on its class path: the
 * settings become system properties and the command is called. {@code jobs/bin/spark-submit} starts
 * it in SparkSubmit's place, whose own classes take a third of a second to load. For any option or
 * setting that asks for more than that, and with a conf folder of the user's own, SparkSubmit
 * itself is called.
 */
public final class LocalSubmit {
  private static final Map<String, String> OPTIONS =
      Map.of(
          "--master", "spark.master",
          "--driver-memory", "spark.driver.memory",
          "--driver-java-options", "spark.driver.extraJavaOptions");

  /** With these SparkSubmit fetches files, logs in or starts the driver elsewhere. */
  private static final Pattern MORE_THAN_SETTINGS =
      Pattern.compile(
          "spark\\.(jars|files|archives|submit|kerberos|pyspark)\\b.*|spark\\.driver\\.userClassPathFirst");

  private LocalSubmit() {}

  /**
   * @param words as SparkSubmit takes them: options, {@code --class}, {@code spark-internal}, and
   *     the arguments of our command
   */
  public static void main(String[] words) {
    boolean ownSettings =
        System.getenv("MASTER") != null || System.getenv("SPARK_CONF_DIR") != null;
    Optional<Submission> simple = ownSettings ? Optional.empty() : Submission.of(List.of(words));
    if (simple.isEmpty()) {
      SparkSubmit.main(words);
      return;
    }
    simple.get().settings().forEach(System::setProperty);
    Main.main(simple.get().arguments().toArray(String[]::new));
  }

  /**
   * A command line of nothing but settings.
   *
   * @param arguments of our command
   */
  record Submission(Map<String, String> settings, List<String> arguments) {
    static Optional<Submission> of(List<String> words) {
      int end = words.indexOf("spark-internal");
      Map<String, String> file = new LinkedHashMap<>();
      Map<String, String> conf = new LinkedHashMap<>();
      Map<String, String> options = new LinkedHashMap<>();
      Iterator<String> before = words.subList(0, Math.max(0, end)).iterator();
      while (before.hasNext()) {
        String[] word = before.next().split("=", 2);
        String option = word[0];
        if (word.length == 1 && !before.hasNext()) {
          return Optional.empty();
        }
        String value = word.length == 2 ? word[1] : before.next();
        String[] setting = value.split("=", 2);
        if (OPTIONS.containsKey(option)) {
          options.put(OPTIONS.get(option), value);
        } else if (option.equals("--properties-file") && file.isEmpty()) {
          file.putAll(read(Path.of(value)));
        } else if (option.equals("--conf") && setting.length == 2) {
          conf.put(setting[0], setting[1]);
        } else if (!option.equals("--class") || !value.equals(Main.class.getName())) {
          return Optional.empty();
        }
      }
      Map<String, String> settings = new LinkedHashMap<>(Map.of("spark.master", "local[*]"));
      settings.putAll(file);
      settings.putAll(conf);
      settings.putAll(options);
      boolean simple =
          end >= 0
              && settings.getOrDefault("spark.master", "").startsWith("local")
              && settings.keySet().stream()
                  .allMatch(
                      key ->
                          key.startsWith("spark.") && !MORE_THAN_SETTINGS.matcher(key).matches());
      return simple
          ? Optional.of(new Submission(settings, words.subList(end + 1, words.size())))
          : Optional.empty();
    }

    /** Empty where SparkSubmit has something to say about the file. */
    private static Map<String, String> read(Path file) {
      Properties properties = new Properties();
      try (Reader in = Files.newBufferedReader(file)) {
        properties.load(in);
      } catch (IOException | IllegalArgumentException e) {
        return Map.of("unreadable", "");
      }
      Map<String, String> settings = new LinkedHashMap<>();
      properties
          .stringPropertyNames()
          .forEach(key -> settings.put(key, properties.getProperty(key).strip()));
      return settings;
    }
  }
}
