package org.sparkfinetune;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.lang.reflect.Method;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/**
 * An executor finds a lambda that was sent to it by the text of its signature. The jar gives some
 * libraries other names, in code but not in such texts: a lambda with one of their classes in its
 * signature works in tests and never on a cluster. A class of its own does.
 */
final class SentLambdasTest {
  private static final Path CLASSES = Path.of("target/classes");

  /** As javac names a lambda that can be serialised. */
  private static final Pattern SENT = Pattern.compile("lambda\\$.+\\$[0-9a-f]{5,8}\\$\\d+");

  private static final Pattern RELOCATED = Pattern.compile("<pattern>([^<]+)</pattern>");

  private static List<String> relocated() throws IOException {
    Matcher found = RELOCATED.matcher(Files.readString(Path.of("../jobs/pom.xml")));
    return found.results().map(result -> result.group(1) + ".").toList();
  }

  private static List<Class<?>> classes() throws IOException, ClassNotFoundException {
    List<Class<?>> classes = new ArrayList<>();
    try (Stream<Path> files = Files.walk(CLASSES)) {
      for (Path file : files.filter(file -> file.toString().endsWith(".class")).toList()) {
        String name = CLASSES.relativize(file).toString().replace(".class", "").replace('/', '.');
        if (!name.endsWith("-info")) {
          classes.add(Class.forName(name, false, SentLambdasTest.class.getClassLoader()));
        }
      }
    }
    return classes;
  }

  @Test
  void lambdas_that_are_sent_have_no_relocated_class_in_their_signature() throws Exception {
    List<String> relocated = relocated();
    assertThat(relocated).contains("com.fasterxml.jackson.");
    Set<String> sent = new TreeSet<>();
    Set<String> lost = new TreeSet<>();
    for (Class<?> one : classes()) {
      for (Method method : one.getDeclaredMethods()) {
        if (SENT.matcher(method.getName()).matches()) {
          sent.add(one.getName());
          Stream.concat(
                  Arrays.stream(method.getParameterTypes()), Stream.of(method.getReturnType()))
              .map(Class::getName)
              .filter(type -> relocated.stream().anyMatch(type::contains))
              .forEach(type -> lost.add(one.getName() + ": " + type));
        }
      }
    }
    assertThat(sent).contains("org.sparkfinetune.spark.prepare.StrictInput");
    assertThat(lost).isEmpty();
  }
}
