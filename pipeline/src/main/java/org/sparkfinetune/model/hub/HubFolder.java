package org.sparkfinetune.model.hub;

import java.io.IOException;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import org.apache.hadoop.fs.Path;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.model.hub.HubRepository.HubKind;
import org.sparkfinetune.store.MissingPath;
import org.sparkfinetune.store.Store;

/** What users may name a folder by: its path, or a repository on a hub. */
public final class HubFolder {
  /** Before an id, where a path could be meant as well. */
  public static final String SCHEME = "hub:";

  private HubFolder() {}

  /**
   * The folder that is meant; a path that exists wins over a repository of the same name.
   *
   * @param named a path, {@code owner/name}, {@code hub:owner/name}, the last two with {@code
   *     @revision} if wanted
   * @param revision for an id that names none
   * @param patterns the files to bring, see {@link HubFile#matches}
   * @throws UserError if it is neither
   */
  public static Path locate(
      String named, String revision, HubKind kind, List<String> patterns, Store store) {
    return repository(named, revision, kind, store)
        .map(id -> from(named, id, store, repository -> repository.download(patterns)))
        .orElseGet(() -> existing(named, store));
  }

  /**
   * The folder of that name, where it is no repository's.
   *
   * @throws UserError if nothing is there
   */
  public static Path existing(String named, Store store) {
    Path folder = new Path(named);
    if (!exists(folder, store)) {
      throw new UserError(
          "There is no folder '%s'%s%s Name the folder of a model, its URI, or a model of a hub (owner/name)."
              .formatted(
                  named, didYouMean(folder, store), MissingPath.otherDisk(folder, store.hadoop())));
    }
    return folder;
  }

  /**
   * The repository that is meant; empty where it is a path.
   *
   * @param revision for an id that names none
   */
  public static Optional<HubId> repository(
      String named, String revision, HubKind kind, Store store) {
    boolean explicit = named.startsWith(SCHEME);
    String id = explicit ? named.substring(SCHEME.length()) : named;
    int at = id.indexOf('@');
    String name = at < 0 ? id : id.substring(0, at);
    if (!explicit && (!HubId.isName(name) || exists(new Path(named), store))) {
      return Optional.empty();
    }
    return Optional.of(new HubId(kind, name, at < 0 ? revision : id.substring(at + 1)));
  }

  /**
   * What a repository has to give. Where that fails, the message says that no such folder is there
   * either: the user may have meant one.
   *
   * @param named as in {@link #repository}, which gave {@code id}
   */
  public static <T> T from(String named, HubId id, Store store, Function<HubRepository, T> given) {
    try {
      return given.apply(HubRepository.of(id, HubSettings.of(store.hadoop()), store));
    } catch (UserError e) {
      throw named.startsWith(SCHEME)
          ? e
          : new UserError(e.getMessage() + noFolder(named, store), e);
    } catch (RunFailure e) {
      throw named.startsWith(SCHEME)
          ? e
          : new RunFailure(e.getMessage() + noFolder(named, store), e);
    }
  }

  private static String noFolder(String named, Store store) {
    return " There is no folder '%s' either%s".formatted(named, didYouMean(new Path(named), store));
  }

  private static String didYouMean(Path missing, Store store) {
    try {
      return MissingPath.didYouMean(missing, store.fileSystem(missing));
    } catch (IOException e) {
      return ".";
    }
  }

  private static boolean exists(Path path, Store store) {
    try {
      return store.fileSystem(path).exists(path);
    } catch (IOException e) {
      throw new UserError("'%s' cannot be looked up: %s".formatted(path, e.getMessage()), e);
    }
  }
}
