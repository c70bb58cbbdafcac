package org.sparkfinetune.config;

import java.lang.reflect.ParameterizedType;
import java.lang.reflect.RecordComponent;
import java.lang.reflect.Type;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.BiFunction;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.sparkfinetune.config.Key.Meaning;
import org.sparkfinetune.errors.Bug;
import org.sparkfinetune.errors.UserError;

/**
 * What the values of a key are; follows from its component's type and its {@link Key}.
 *
 * @param allowed completes "allowed: " in a message
 * @param arity how many words the command line takes for it
 * @param reader the value meant by what was written; empty where it means none of this type
 * @param rule which values of the type are allowed
 * @param writer the value as a string, number, boolean, list or map for YAML
 * @param located the value with relative paths in it made absolute
 */
record KeyType<T>(
    String allowed,
    Arity arity,
    Function<YamlNode, Optional<T>> reader,
    Predicate<T> rule,
    Function<T, Object> writer,
    BiFunction<T, WorkingFolder, T> located) {

  private static final List<String> TEMPLATES =
      List.of("reference", "llama3", "chatml", "tokenizer");

  enum Arity {
    ONE,
    /** One, or none, which means true. */
    FLAG,
    MANY
  }

  /** The type of a component, or of what an optional component holds. */
  static KeyType<?> of(RecordComponent component, Key key) {
    Type type = component.getGenericType();
    if (component.getType() == Optional.class) {
      type = argument(type);
    }
    KeyType<?> found = of(type, key);
    return key.allowed().isEmpty() ? found : found.allowing(key.allowed());
  }

  private static KeyType<?> of(Type type, Key key) {
    if (type instanceof ParameterizedType generic) {
      return generic.getRawType() == Map.class
          ? one("a mapping", YamlNode::scalarFields, map -> hasFields(map, List.of(key.fields())))
          : generic.getRawType() == Set.class
              ? choices((Class<?>) argument(type), key)
              : argument(type) == Source.class ? sources() : texts(key);
    }
    if (type == String.class) {
      return text(key.meaning());
    }
    if (type == boolean.class || type == Boolean.class) {
      return scalar("true, false", ScalarText::bool, value -> true).withArity(Arity.FLAG);
    }
    if (type == int.class || type == Integer.class || type == OptionalInt.class) {
      Interval range = Interval.of("a whole number", key.range());
      return scalar(range.text, ScalarText::wholeInt, range::contains);
    }
    if (type == long.class || type == Long.class || type == OptionalLong.class) {
      if (key.meaning() == Meaning.BYTES) {
        return scalar(
            "a size above 0 such as 2GB, 500MB, 1GiB or a number of bytes",
            ScalarText::bytes,
            value -> value > 0);
      }
      Interval range = Interval.of("a whole number", key.range());
      return scalar(range.text, ScalarText::whole, range::contains);
    }
    if (type == double.class || type == Double.class) {
      Interval range = Interval.of("a number", key.range());
      return scalar(range.text, ScalarText::decimal, range::contains);
    }
    return type instanceof Class<?> named && named.isEnum() ? choice(named) : own(type);
  }

  /** Types of ours that are neither words nor numbers. */
  private static KeyType<?> own(Type type) {
    if (type == Parallelism.Fsdp.class) {
      return KeyType.<Parallelism.Fsdp>one(
              Parallelism.Fsdp.ALLOWED,
              node -> words(node, "\\s+").flatMap(Parallelism.Fsdp::of),
              value -> true)
          .withArity(Arity.MANY)
          .writing(Parallelism.Fsdp::text);
    }
    if (type == LoraOptions.InitialWeights.class) {
      return KeyType.<LoraOptions.InitialWeights>scalar(
              LoraOptions.InitialWeights.ALLOWED, LoraOptions.InitialWeights::of, value -> true)
          .writing(LoraOptions.InitialWeights::text);
    }
    if (type == LoraOptions.TokenIndices.class) {
      return KeyType.<LoraOptions.TokenIndices>one(
              LoraOptions.TokenIndices.ALLOWED,
              node -> words(ofEmbedding(node), "[,\\s]+").flatMap(LoraOptions.TokenIndices::of),
              LoraOptions.TokenIndices::isPossible)
          .withArity(Arity.MANY)
          .writing(LoraOptions.TokenIndices::ids);
    }
    if (type == PrepareConfig.Output.class) {
      return KeyType.<PrepareConfig.Output>one(
              "a path or a Hadoop URI, table:catalog.database.name, or both",
              node -> node.scalars().flatMap(PrepareConfig.Output::of),
              value -> !value.folder().isBlank())
          .withArity(Arity.MANY)
          .writing(PrepareConfig.Output::plain);
    }
    if (type == PrepareConfig.TestSize.class) {
      return KeyType.<PrepareConfig.TestSize>scalar(
              "a whole number of rows, or a fraction above 0 and below 1",
              text ->
                  ScalarText.whole(text)
                      .<PrepareConfig.TestSize>map(PrepareConfig.TestSize.Rows::new)
                      .or(() -> ScalarText.decimal(text).map(PrepareConfig.TestSize.Fraction::new)),
              PrepareConfig.TestSize::isPossible)
          .writing(PrepareConfig.TestSize::number);
    }
    if (type == TrainConfig.ResumeFrom.class) {
      return KeyType.<TrainConfig.ResumeFrom>scalar(
              "auto, never, or the path of a checkpoint",
              text -> Optional.of(text).filter(t -> !t.isBlank()).map(TrainConfig.ResumeFrom::of),
              value -> !value.text().isBlank())
          .writing(TrainConfig.ResumeFrom::text)
          .locating(
              (value, folder) ->
                  value instanceof TrainConfig.ResumeFrom.Path path
                      ? new TrainConfig.ResumeFrom.Path(folder.path(path.uri()))
                      : value);
    }
    throw new Bug("A key cannot have the type " + type + ".");
  }

  /** What stands under the only name that a mapping may have. */
  private static YamlNode ofEmbedding(YamlNode node) {
    return node.fields() != null && node.fields().keySet().equals(Set.of("embed_tokens"))
        ? Objects.requireNonNull(node.fields().get("embed_tokens"))
        : node;
  }

  private static KeyType<String> text(Meaning meaning) {
    return switch (meaning) {
      case PATH -> text("a path or a Hadoop URI").locating((path, folder) -> folder.path(path));
      case MODEL ->
          text("a folder, a Hadoop URI or a hub id (owner/name)")
              .locating((model, folder) -> folder.pathOrId(model));
      case CHAT_TEMPLATE ->
          text(String.join(", ", TEMPLATES)
                  + ", tokenizer:NAME, the path of a Jinja file, or Jinja itself")
              .locating((name, folder) -> isFile(name) ? folder.path(name) : name);
      case JSON -> one("a text", node -> Optional.of(node.json()), text -> !text.isBlank());
      case CHARACTER ->
          KeyType.<String>scalar("a character", CsvFormat::character, CsvFormat::isCharacter)
              .writing(CsvFormat::shown);
      case EXPRESSION -> text("a regular expression");
      case TEXT, PATH_AS_WRITTEN, WORDS, MODULES, BYTES -> text("a text");
    };
  }

  private static boolean isFile(String template) {
    return !TEMPLATES.contains(template)
        && !template.startsWith("tokenizer:")
        && !template.contains("{{")
        && !template.contains("{%");
  }

  private static KeyType<String> text(String allowed) {
    return scalar(allowed, Optional::of, text -> !text.isBlank());
  }

  /**
   * A list, or one string: words with commas or spaces between, or else its only item. Whether a
   * comma is part of a model's path or stands between two, the working folder says.
   */
  private static KeyType<List<String>> texts(Key key) {
    Predicate<String> isNothing = key.meaning() == Meaning.TEXT ? String::isEmpty : String::isBlank;
    boolean mayBeEmpty = key.otherwise().equals(Key.EMPTY);
    KeyType<List<String>> texts =
        KeyType.<List<String>>one(
                "texts",
                node ->
                    switch (key.meaning()) {
                      case WORDS -> words(node, "[,\\s]+");
                      case MODULES -> isExpression(node) ? node.scalars() : words(node, "[,\\s]+");
                      case TEXT,
                          PATH,
                          PATH_AS_WRITTEN,
                          MODEL,
                          CHAT_TEMPLATE,
                          JSON,
                          CHARACTER,
                          EXPRESSION,
                          BYTES ->
                          node.scalars();
                    },
                list -> (mayBeEmpty || !list.isEmpty()) && list.stream().noneMatch(isNothing))
            .withArity(Arity.MANY);
    return key.meaning() == Meaning.MODEL
        ? texts.locating((list, folder) -> list.stream().flatMap(folder::pathsOrIds).toList())
        : texts;
  }

  private static boolean isExpression(YamlNode node) {
    return node.scalar().filter(text -> !text.matches("[-A-Za-z0-9_.,\\s]*")).isPresent();
  }

  /** A list of mappings, each with the keys of a source. */
  private static KeyType<List<Source>> sources() {
    return KeyType.<List<Source>>one(
            "a list of mappings with the keys "
                + KeyTable.SOURCE.keys().stream()
                    .map(KeyEntry::name)
                    .collect(Collectors.joining(", ")),
            node -> Optional.ofNullable(node.items()).flatMap(KeyType::sources),
            sources -> true)
        .writing(sources -> sources.stream().map(KeyTable::plain).toList());
  }

  private static Optional<List<Source>> sources(List<YamlNode> items) {
    List<Source> sources = new ArrayList<>();
    Problems problems = new Problems();
    for (YamlNode item : items) {
      if (item.fields() == null) {
        return Optional.empty();
      }
      problems.addFrom(() -> sources.add(source(item)));
    }
    problems.refuse();
    return Optional.of(List.copyOf(sources));
  }

  private static Source source(YamlNode item) {
    Values values = Values.ofItem(KeyTable.SOURCE, item);
    try {
      return values.record(Source.class);
    } catch (UserError e) {
      throw new UserError(
          "%s: source %s: %s"
              .formatted(item.place(), values.value("name").orElse(""), e.getMessage()),
          e);
    }
  }

  private static KeyType<KeyTable.Choice> choice(Class<?> words) {
    return KeyType.<KeyTable.Choice>scalar(
            spellings(words), text -> word(words, text), value -> true)
        .writing(KeyTable.Choice::text);
  }

  private static KeyType<Set<KeyTable.Choice>> choices(Class<?> words, Key key) {
    String some = "one or more of " + spellings(words);
    boolean mayBeEmpty = !key.none().isEmpty();
    return KeyType.<Set<KeyTable.Choice>>one(
            mayBeEmpty ? key.none() + ", or " + some : some,
            node ->
                mayBeEmpty && node.toString().replaceAll("[\\[\\]]", "").equals(key.none())
                    ? Optional.of(Set.of())
                    : words(node, "[,\\s]+").flatMap(texts -> all(words, texts)),
            set -> mayBeEmpty || !set.isEmpty())
        .withArity(Arity.MANY)
        .writing(
            set ->
                set.isEmpty()
                    ? key.none()
                    : set.stream().sorted().map(KeyTable.Choice::text).toList());
  }

  private static <T> KeyType<T> scalar(
      String allowed, Function<String, Optional<T>> reader, Predicate<T> rule) {
    return one(allowed, node -> node.scalar().flatMap(reader), rule);
  }

  private static <T> KeyType<T> one(
      String allowed, Function<YamlNode, Optional<T>> reader, Predicate<T> rule) {
    return new KeyType<>(
        allowed, Arity.ONE, reader, rule, value -> value, (value, folder) -> value);
  }

  private KeyType<T> allowing(String words) {
    return new KeyType<>(words, arity, reader, rule, writer, located);
  }

  private KeyType<T> withArity(Arity other) {
    return new KeyType<>(allowed, other, reader, rule, writer, located);
  }

  private KeyType<T> writing(Function<T, Object> other) {
    return new KeyType<>(allowed, arity, reader, rule, other, located);
  }

  private KeyType<T> locating(BiFunction<T, WorkingFolder, T> other) {
    return new KeyType<>(allowed, arity, reader, rule, writer, other);
  }

  private static boolean hasFields(Map<String, String> map, List<String> names) {
    return names.isEmpty()
        ? !map.isEmpty()
        : names.stream().allMatch(name -> name.endsWith("?") || map.containsKey(name))
            && map.keySet().stream().allMatch(n -> names.contains(n) || names.contains(n + "?"));
  }

  private static Optional<List<String>> words(YamlNode node, String between) {
    return node.scalar()
        .map(text -> Stream.of(text.strip().split(between)).filter(w -> !w.isEmpty()).toList())
        .or(node::scalars);
  }

  private static Optional<KeyTable.Choice> word(Class<?> words, String text) {
    return choices(words).filter(word -> word.text().equalsIgnoreCase(text.strip())).findFirst();
  }

  private static Optional<Set<KeyTable.Choice>> all(Class<?> words, List<String> texts) {
    Set<KeyTable.Choice> set = new TreeSet<>();
    texts.forEach(text -> word(words, text).ifPresent(set::add));
    boolean known = texts.stream().allMatch(text -> word(words, text).isPresent());
    return known ? Optional.of(Collections.unmodifiableSet(set)) : Optional.empty();
  }

  private static String spellings(Class<?> words) {
    return choices(words).map(KeyTable.Choice::text).collect(Collectors.joining(", "));
  }

  private static Stream<KeyTable.Choice> choices(Class<?> words) {
    return Arrays.stream(words.getEnumConstants()).map(KeyTable.Choice.class::cast);
  }

  private static Type argument(Type generic) {
    return ((ParameterizedType) generic).getActualTypeArguments()[0];
  }

  /** Numbers between two ends, and how a message names them. */
  private record Interval(String text, double low, double high, boolean hasLow, boolean hasHigh) {
    private static final Pattern FORM = Pattern.compile("([\\[(])([^,]+),(.*)([\\])])");

    static Interval of(String noun, String form) {
      Matcher parts = FORM.matcher(form);
      if (!parts.matches()) {
        throw new Bug("The range '" + form + "' of a key is no interval.");
      }
      boolean hasLow = parts.group(1).equals("[");
      boolean hasHigh = parts.group(4).equals("]");
      String low = parts.group(2);
      String high = parts.group(3);
      String text =
          hasLow && hasHigh
              ? " from %s to %s".formatted(low, high)
              : (hasLow ? " of at least " : " above ")
                  + low
                  + (high.isEmpty() ? "" : (hasHigh ? " and at most " : " and below ") + high);
      return new Interval(
          noun + text,
          Double.parseDouble(low),
          high.isEmpty() ? Double.POSITIVE_INFINITY : Double.parseDouble(high),
          hasLow,
          hasHigh);
    }

    boolean contains(Number number) {
      double value = number.doubleValue();
      return (hasLow ? value >= low : value > low) && (hasHigh ? value <= high : value < high);
    }
  }
}
