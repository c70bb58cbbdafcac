package org.sparkfinetune.testing;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** How tests start a process of their own with this one's class path. */
public final class ChildJvm {
  /** For what is over soon: compiling well would not pay, and one thread collects. */
  public static final List<String> SHORT_LIVED =
      List.of("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC");

  private ChildJvm() {}

  /** What a JVM needs to run Spark and our code. */
  public static List<String> sparkOptions() {
    return List.of(System.getProperty("test.jvm.arguments").trim().split("\\s+"));
  }

  /** Where a process writes what it says: beside the reports, in a file of the test's name. */
  public static ProcessBuilder.Redirect log(Class<?> test) throws IOException {
    Path reports = Files.createDirectories(Path.of("target", "surefire-reports"));
    return ProcessBuilder.Redirect.appendTo(
        reports.resolve(test.getName() + "-processes.txt").toFile());
  }

  /** The words of a command that runs {@code main}. */
  public static List<String> command(List<String> options, Class<?> main, String... words) {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(options);
    command.addAll(List.of("-cp", System.getProperty("java.class.path"), main.getName()));
    command.addAll(List.of(words));
    return command;
  }
}
