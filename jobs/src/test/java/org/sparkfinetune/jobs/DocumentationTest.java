package org.sparkfinetune.jobs;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.lang.reflect.Proxy;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.sparkfinetune.config.ConfigLoader;
import org.sparkfinetune.jobs.Jobs.Checked;
import org.sparkfinetune.jobs.Jobs.PlanRequest;
import org.sparkfinetune.jobs.Jobs.Request;

/** What the pages say is so: their commands are understood, their messages and links exist. */
final class DocumentationTest {
  private static final Path ROOT = Path.of("..").toAbsolutePath().normalize();
  private static final Pattern COMMAND =
      Pattern.compile("spark-finetune\\.jar ((?:[^\\n]*\\\\\\n)*[^\\n`|;]*)");
  private static final Pattern INLINE =
      Pattern.compile(
          "`((?:prepare|train|evaluate|generate|merge|plan|check) [^`]*--[^`]*…[^`]*)`");
  private static final Pattern WORD = Pattern.compile("\"([^\"]*)\"|'([^']*)'|(\\S+)");
  private static final Pattern HEADING = Pattern.compile("(?m)^### `(.+)`$");
  private static final Pattern LINK = Pattern.compile("\\]\\(([^)#:]+)\\)");

  static Stream<Path> pages() throws IOException {
    try (Stream<Path> docs = Files.list(ROOT.resolve("jobs/docs"))) {
      List<Path> pages = docs.filter(p -> p.toString().endsWith(".md")).sorted().toList();
      return Stream.concat(Stream.of(ROOT.resolve("README.md")), pages.stream());
    }
  }

  static Stream<String> commands() throws IOException {
    List<String> commands = new ArrayList<>();
    for (Path page : pages().toList()) {
      Matcher found = COMMAND.matcher(Files.readString(page));
      while (found.find()) {
        String command = found.group(1).replaceAll("\\\\\\n\\s*", " ").strip();
        if (command.matches("(prepare|train|plan|check|evaluate|generate|merge)\\b.*")) {
          commands.add(command);
        }
      }
      commands.addAll(inText(Files.readString(page)));
    }
    return commands.stream().distinct();
  }

  /** Commands within a sentence; what they leave out is given by others. */
  private static List<String> inText(String page) {
    return INLINE
        .matcher(page)
        .results()
        .map(found -> found.group(1).replaceAll("\\s+", " "))
        .map(command -> command.replace("--model_id … --adapter …", "--model_id m --adapter a"))
        .toList();
  }

  @Test
  void there_are_commands_on_the_pages() throws IOException {
    assertThat(commands()).hasSizeGreaterThan(5);
  }

  /** The command line is read and every key and file named by it exists; the work is not done. */
  @ParameterizedTest
  @MethodSource("commands")
  void a_documented_command_is_understood(String command) {
    List<String> words = words(command);
    java.io.StringWriter err = new java.io.StringWriter();
    int code =
        Main.run(
            words.toArray(String[]::new),
            readingTheConfigurationOnly(),
            new java.io.PrintWriter(new java.io.StringWriter()),
            new java.io.PrintWriter(err));
    assertThat(code).as("%s%n%s", command, err).isZero();
  }

  private static Jobs readingTheConfigurationOnly() {
    ConfigLoader loader = new ConfigLoader(new Configuration());
    return (Jobs)
        Proxy.newProxyInstance(
            Jobs.class.getClassLoader(),
            new Class<?>[] {Jobs.class},
            (self, method, arguments) -> {
              Request request =
                  arguments[0] instanceof PlanRequest plan
                      ? plan.configured()
                      : (Request) arguments[0];
              Optional<String> file = here(request.configFile());
              return switch (method.getName()) {
                case "prepare" -> nothing(loader.prepare(file, request.arguments()), null);
                case "train" -> nothing(loader.train(file, request.arguments()), null);
                case "plan" -> nothing(loader.train(file, request.arguments()), List.of());
                case "check" ->
                    nothing(
                        loader.train(file, request.arguments()),
                        new Checked(List.of(), Checked.Outcome.CAN_TRAIN));
                case "evaluate" -> nothing(loader.evaluate(file, request.arguments()), null);
                case "generate" -> nothing(loader.generate(file, request.arguments()), null);
                case "merge" -> nothing(loader.merge(file, request.arguments()), null);
                default ->
                    throw new AssertionError(method.getName() + " is not looked at: do so here.");
              };
            });
  }

  private static @Nullable Object nothing(Object loaded, @Nullable Object result) {
    assertThat(loaded).isNotNull();
    return result;
  }

  /** A configuration on a cluster's store has the name of one that is shipped. */
  private static Optional<String> here(Optional<String> config) {
    return config.map(
        file ->
            ROOT.resolve(file.contains(":") ? "conf/train/" + Path.of(file).getFileName() : file)
                .toString());
  }

  private static List<String> words(String command) {
    Matcher words = WORD.matcher(command);
    List<String> found = new ArrayList<>();
    while (words.find()) {
      found.add(
          Stream.of(1, 2, 3)
              .flatMap(group -> Stream.ofNullable(words.group(group)))
              .findFirst()
              .orElse(""));
    }
    return found;
  }

  @Test
  void every_message_that_is_explained_is_one_that_we_write() throws IOException {
    String sources = sources();
    Matcher headings =
        HEADING.matcher(Files.readString(ROOT.resolve("jobs/docs/troubleshooting.md")));
    List<String> messages = headings.results().map(r -> r.group(1)).toList();
    assertThat(messages).hasSizeGreaterThan(10);
    for (String message : messages) {
      for (String part : message.split("…")) {
        assertThat(sources.contains(part.strip())).as("%s in %s", part, message).isTrue();
      }
    }
  }

  @ParameterizedTest
  @MethodSource("pages")
  void every_link_leads_to_a_file(Path page) throws IOException {
    for (MatchResult link : LINK.matcher(Files.readString(page)).results().toList()) {
      assertThat(page.resolveSibling(link.group(1))).exists();
    }
  }

  /** All sources as one text in which a message cut by {@code +} is whole. */
  private static String sources() throws IOException {
    try (Stream<Path> library = Files.walk(ROOT.resolve("pipeline/src/main/java"));
        Stream<Path> commands = Files.walk(ROOT.resolve("jobs/src/main/java"))) {
      return Stream.concat(library, commands)
          .filter(file -> file.toString().endsWith(".java"))
          .map(DocumentationTest::text)
          .collect(Collectors.joining("\n"))
          .replaceAll("\"\\s*\\+\\s*\"", "");
    }
  }

  private static String text(Path file) {
    try {
      return Files.readString(file);
    } catch (IOException e) {
      throw new java.io.UncheckedIOException(e);
    }
  }
}
