package org.sparkfinetune.spark.prepare;

import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.hadoop.fs.Path;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.model.hub.HubFile;
import org.sparkfinetune.model.hub.HubId;
import org.sparkfinetune.model.hub.HubRepository;
import org.sparkfinetune.model.hub.HubRepository.HubKind;
import org.sparkfinetune.model.hub.HubRepository.HubSnapshot;
import org.sparkfinetune.model.hub.HubSettings;
import org.sparkfinetune.store.Store;

/**
 * Input on a hub: {@code hub:owner/name}, with {@code @revision} and then a path or glob behind it
 * if wanted. Without a path the files' names decide: those of the training split are the input,
 * those of the test split the test input.
 */
record HubInput(String key, HubId id, Optional<String> path) {
  static final String SCHEME = "hub:";

  private static final Logger LOG = LoggerFactory.getLogger(HubInput.class);
  private static final Pattern FORM =
      Pattern.compile("hub:([^/@]*/[^/@]*)(?:@(refs/[^/@]+/[^/@]+|[^/@]+))?(?:/(.+))?");

  /**
   * Files in the cache.
   *
   * @param source a line that says what they are
   * @param version the commit they are of, with the repository's name
   */
  record Downloaded(List<Path> files, String source, String version) {}

  static HubInput parse(String key, String text) {
    Matcher matcher = FORM.matcher(text);
    if (!matcher.matches()) {
      throw new UserError(
          "%s: '%s'. Write hub:owner/name, with @revision and then /path or a glob of paths behind it if wanted (hub:owner/name@main/data/train-*.parquet)."
              .formatted(key, text));
    }
    String revision = Optional.ofNullable(matcher.group(2)).orElse(HubId.MAIN);
    return new HubInput(
        key,
        new HubId(HubKind.DATASET, matcher.group(1), revision),
        Optional.ofNullable(matcher.group(3)));
  }

  Downloaded download(InputFile.Origin origin, Store store) {
    HubRepository repository = HubRepository.of(id, HubSettings.of(store.hadoop()), store);
    HubSnapshot snapshot = repository.snapshot();
    List<HubFile> wanted = wanted(snapshot.files(), origin);
    String names = String.join(", ", wanted.stream().map(HubFile::path).toList());
    LOG.info("{}: {} is commit {}; taking {}", key, id, snapshot.commit(), names);
    Path folder = repository.downloadFiles(wanted);
    return new Downloaded(
        wanted.stream().map(file -> new Path(folder, file.path())).toList(),
        "%s is hub:%s@%s: %s".formatted(key, id.name(), snapshot.commit(), names),
        "hub:%s@%s".formatted(id.name(), snapshot.commit()));
  }

  private List<HubFile> wanted(List<HubFile> all, InputFile.Origin origin) {
    List<HubFile> data = all.stream().filter(HubInput::isData).toList();
    List<HubFile> wanted =
        path.isPresent()
            ? all.stream().filter(file -> file.matches(List.of(path.get()))).toList()
            : Split.choose(data, origin);
    if (wanted.isEmpty()) {
      String names = String.join(", ", data.stream().map(HubFile::path).limit(20).toList());
      throw new UserError(
          "%s: %s has no file for it%s. Data files there: %s. Name the ones you want: hub:%s/PATH."
              .formatted(
                  key,
                  id,
                  path.map(given -> " (" + given + ")").orElse(""),
                  names.isEmpty() ? "none" : names,
                  id.name()));
    }
    return wanted;
  }

  private static boolean isData(HubFile file) {
    String name = file.path().substring(file.path().lastIndexOf('/') + 1);
    boolean hidden = file.path().startsWith(".") || file.path().contains("/.");
    return !hidden && InputFiles.isData(name);
  }

  /** The splits that the names of files tell, by the words that the hub's own library knows. */
  enum Split {
    TRAIN("train|training"),
    TEST("test|testing|eval|evaluation"),
    VALIDATION("validation|valid|val|dev");

    private final Pattern word;

    Split(String words) {
      word = Pattern.compile("(?:^|[-._ 0-9/])(?:" + words + ")(?:$|[-._ 0-9/])");
    }

    static Optional<Split> of(String path) {
      String lower = path.toLowerCase(Locale.ROOT);
      return Arrays.stream(values()).filter(split -> split.word.matcher(lower).find()).findFirst();
    }

    /**
     * What a key means that names a repository alone. Where no name tells a split, everything is
     * input; what is told to be of another split never is, so that nobody trains on a test split.
     */
    static List<HubFile> choose(List<HubFile> data, InputFile.Origin origin) {
      return switch (origin) {
        case INPUT -> {
          List<HubFile> train = of(data, Optional.of(TRAIN));
          yield train.isEmpty() ? of(data, Optional.empty()) : train;
        }
        case TEST_INPUT -> {
          List<HubFile> test = of(data, Optional.of(TEST));
          yield test.isEmpty() ? of(data, Optional.of(VALIDATION)) : test;
        }
      };
    }

    private static List<HubFile> of(List<HubFile> data, Optional<Split> split) {
      return data.stream().filter(file -> of(file.path()).equals(split)).toList();
    }
  }
}
