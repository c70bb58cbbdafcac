package org.sparkfinetune.config;

import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Function;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.sparkfinetune.config.KeyType.Arity;

/** The types of values that keys have. */
final class KeyTypes {

  private static final List<String> TEMPLATES =
      List.of("reference", "llama3", "chatml", "tokenizer");

  private static final Pattern WHOLE = Pattern.compile("[-+]?\\d+(_\\d+)*");
  private static final Pattern DECIMAL =
      Pattern.compile("[-+]?(\\d+(_\\d+)*(\\.\\d*)?|\\.\\d+)([eE][-+]?\\d+)?");

  private static final Pattern SIZE =
      Pattern.compile("(\\d+(?:\\.\\d+)?)\\s*([kKmMgGtT]?)(i?)[bB]?");

  private KeyTypes() {}

  static KeyType<String> text(String allowed) {
    return new KeyType<>(
        allowed, Arity.ONE, KeyTypes::scalar, text -> !text.isBlank(), Optional::of);
  }

  static KeyType<String> path() {
    return text("a path or a Hadoop URI").located((path, folder) -> folder.path(path));
  }

  static KeyType<String> model() {
    return text("a folder, a Hadoop URI or a hub id (owner/name)")
        .located((model, folder) -> folder.pathOrId(model));
  }

  static KeyType<String> chatTemplate() {
    return text(String.join(", ", TEMPLATES) + ", or the path of a Jinja file")
        .located(
            (template, folder) -> TEMPLATES.contains(template) ? template : folder.path(template));
  }

  static KeyType<Boolean> bool() {
    return new KeyType<>(
        "true, false",
        Arity.FLAG,
        raw -> scalar(raw).flatMap(KeyTypes::bool),
        value -> true,
        Optional::of);
  }

  static KeyType<Integer> integer(int min) {
    return new KeyType<>(
        "a whole number of at least " + min,
        Arity.ONE,
        raw ->
            wholeNumber(raw)
                .filter(number -> number.intValue() == number.longValue())
                .map(Long::intValue),
        value -> value >= min,
        Optional::of);
  }

  static KeyType<Long> longInteger(long min) {
    return new KeyType<>(
        "a whole number of at least " + min,
        Arity.ONE,
        KeyTypes::wholeNumber,
        value -> value >= min,
        Optional::of);
  }

  static KeyType<Double> number(Range range) {
    return new KeyType<>(range.text(), Arity.ONE, KeyTypes::decimal, range::contains, Optional::of);
  }

  static <E extends Enum<E> & Spelled> KeyType<E> choice(Class<E> words) {
    return new KeyType<>(
        spellings(words),
        Arity.ONE,
        raw -> scalar(raw).flatMap(text -> word(words, text)),
        value -> true,
        value -> Optional.of(value.text()));
  }

  /** A list, or one string with commas or spaces between the words. */
  static KeyType<List<String>> words(String allowed) {
    return new KeyType<>(
        allowed,
        Arity.MANY,
        raw -> words(raw, "[,\\s]+"),
        words -> words.stream().noneMatch(String::isBlank),
        Optional::of);
  }

  /** A list, or one string that is the only item: a path may have commas and spaces inside. */
  static KeyType<List<String>> texts(String allowed) {
    return new KeyType<>(
        allowed,
        Arity.MANY,
        KeyTypes::items,
        texts -> !texts.isEmpty() && texts.stream().noneMatch(String::isBlank),
        Optional::of);
  }

  /** {@link #texts} that may be empty. */
  static KeyType<List<String>> listOfTexts(String allowed) {
    return new KeyType<>(
        allowed,
        Arity.MANY,
        KeyTypes::items,
        texts -> texts.stream().noneMatch(String::isEmpty),
        Optional::of);
  }

  /** A text; a YAML list or mapping becomes JSON. */
  static KeyType<String> json(String allowed) {
    return new KeyType<>(
        allowed, Arity.ONE, raw -> Optional.of(JsonText.of(raw)), t -> !t.isBlank(), Optional::of);
  }

  /** A number of bytes, maybe with a unit of a thousand or 1024. */
  static KeyType<Long> bytes() {
    return new KeyType<>(
        "a size above 0 such as 2GB, 500MB, 1GiB or a number of bytes",
        Arity.ONE,
        raw -> scalar(raw).flatMap(KeyTypes::byteCount),
        value -> value > 0,
        Optional::of);
  }

  private static Optional<Long> byteCount(String text) {
    java.util.regex.Matcher size = SIZE.matcher(text.strip());
    if (!size.matches()) {
      return Optional.empty();
    }
    double unit = size.group(3).equalsIgnoreCase("i") ? 1024 : 1000;
    int power =
        size.group(2).isEmpty() ? 0 : "KMGT".indexOf(size.group(2).toUpperCase(Locale.ROOT)) + 1;
    return Optional.of(Math.round(Double.parseDouble(size.group(1)) * Math.pow(unit, power)));
  }

  static <E extends Enum<E> & Spelled> KeyType<Set<E>> choices(Class<E> words) {
    return new KeyType<>(
        "one or more of " + spellings(words),
        Arity.MANY,
        raw -> words(raw, "[,\\s]+").flatMap(texts -> all(words, texts)),
        set -> !set.isEmpty(),
        set -> Optional.of(set.stream().sorted().map(Spelled::text).toList()));
  }

  /** {@link #choices} where the word {@code none} stands for the empty set. */
  static <E extends Enum<E> & Spelled> KeyType<Set<E>> choicesOrNone(Class<E> words) {
    Function<Raw, Optional<Set<E>>> none =
        raw ->
            raw.toString().replaceAll("[\\[\\]]", "").equals("none")
                ? Optional.of(Set.of())
                : Optional.empty();
    KeyType<Set<E>> some = choices(words);
    return new KeyType<>(
        "none, or " + some.allowed(),
        Arity.MANY,
        raw -> none.apply(raw).or(() -> some.reader().apply(raw)),
        set -> true,
        set -> set.isEmpty() ? Optional.of("none") : some.writer().apply(set));
  }

  static KeyType<Map<String, String>> textMap(String allowed) {
    return new KeyType<>(
        allowed, Arity.ONE, KeyTypes::textMap, map -> !map.isEmpty(), Optional::of);
  }

  /** A string of words, or a list of them. */
  static KeyType<Fsdp> fsdp() {
    return new KeyType<>(
        Fsdp.ALLOWED,
        Arity.MANY,
        raw -> words(raw, "\\s+").flatMap(Fsdp::of),
        value -> true,
        value -> Optional.of(value.text()));
  }

  static KeyType<ResumeFrom> resumeFrom() {
    return new KeyType<>(
        "auto, never, or the path of a checkpoint",
        Arity.ONE,
        raw -> scalar(raw).filter(text -> !text.isBlank()).map(KeyTypes::resumeFrom),
        value -> !(value instanceof ResumeFrom.Path path) || !path.uri().isBlank(),
        value -> Optional.of(resumeText(value)),
        (value, folder) ->
            value instanceof ResumeFrom.Path path
                ? new ResumeFrom.Path(folder.path(path.uri()))
                : value);
  }

  static KeyType<TestSize> testSize() {
    return new KeyType<>(
        "a whole number of rows, or a fraction above 0 and below 1",
        Arity.ONE,
        raw ->
            wholeNumber(raw)
                .<TestSize>map(TestSize.Rows::new)
                .or(() -> decimal(raw).map(TestSize.Fraction::new)),
        KeyTypes::isPossible,
        value ->
            Optional.of(
                value instanceof TestSize.Rows rows
                    ? (Object) rows.rows()
                    : ((TestSize.Fraction) value).fraction()));
  }

  private static boolean isPossible(TestSize size) {
    if (size instanceof TestSize.Fraction fraction) {
      return fraction.fraction() > 0 && fraction.fraction() < 1;
    }
    return ((TestSize.Rows) size).rows() >= 0;
  }

  /** {@code true} and {@code false} are what transformers' users write. */
  private static ResumeFrom resumeFrom(String text) {
    return switch (text.toLowerCase(Locale.ROOT)) {
      case "auto", "true" -> new ResumeFrom.Auto();
      case "never", "false" -> new ResumeFrom.Never();
      default -> new ResumeFrom.Path(text);
    };
  }

  private static String resumeText(ResumeFrom from) {
    if (from instanceof ResumeFrom.Path path) {
      return path.uri();
    }
    return from instanceof ResumeFrom.Auto ? "auto" : "never";
  }

  private static Optional<String> scalar(Raw raw) {
    return raw instanceof Raw.Scalar scalar ? Optional.of(scalar.text()) : Optional.empty();
  }

  private static Optional<Boolean> bool(String text) {
    return switch (text.strip().toLowerCase(Locale.ROOT)) {
      case "true" -> Optional.of(true);
      case "false" -> Optional.of(false);
      default -> Optional.empty();
    };
  }

  private static Optional<Long> wholeNumber(Raw raw) {
    return scalar(raw)
        .map(String::strip)
        .filter(text -> WHOLE.matcher(text).matches() && text.length() < 20)
        .map(text -> new java.math.BigInteger(text.replace("_", "")))
        .filter(number -> number.bitLength() < Long.SIZE)
        .map(java.math.BigInteger::longValue);
  }

  private static Optional<Double> decimal(Raw raw) {
    return scalar(raw)
        .map(String::strip)
        .filter(text -> DECIMAL.matcher(text).matches())
        .map(text -> Double.valueOf(text.replace("_", "")))
        .filter(Double::isFinite);
  }

  private static Optional<List<String>> items(Raw raw) {
    if (raw instanceof Raw.Items items) {
      List<String> texts = new ArrayList<>();
      items.items().forEach(item -> scalar(item).ifPresent(texts::add));
      return Optional.of(texts).filter(all -> all.size() == items.items().size());
    }
    return scalar(raw).map(List::of);
  }

  private static Optional<List<String>> words(Raw raw, String between) {
    Optional<List<String>> texts = items(raw);
    if (raw instanceof Raw.Items) {
      return texts;
    }
    return texts.map(
        one -> Stream.of(one.get(0).strip().split(between)).filter(w -> !w.isEmpty()).toList());
  }

  private static Optional<Map<String, String>> textMap(Raw raw) {
    if (!(raw instanceof Raw.Fields fields)) {
      return Optional.empty();
    }
    Map<String, String> map = new LinkedHashMap<>();
    fields.fields().forEach((name, value) -> scalar(value).ifPresent(text -> map.put(name, text)));
    return map.size() == fields.fields().size() ? Optional.of(map) : Optional.empty();
  }

  private static <E extends Enum<E> & Spelled> Optional<Set<E>> all(
      Class<E> words, List<String> texts) {
    Set<E> set = new TreeSet<>();
    texts.forEach(text -> word(words, text).ifPresent(set::add));
    boolean known = texts.stream().allMatch(text -> word(words, text).isPresent());
    return known ? Optional.of(Collections.unmodifiableSet(set)) : Optional.empty();
  }

  private static <E extends Enum<E> & Spelled> Optional<E> word(Class<E> words, String text) {
    return Stream.of(words.getEnumConstants())
        .filter(word -> word.text().equalsIgnoreCase(text.strip()))
        .findFirst();
  }

  private static <E extends Enum<E> & Spelled> String spellings(Class<E> words) {
    return Stream.of(words.getEnumConstants()).map(Spelled::text).collect(Collectors.joining(", "));
  }
}
