package org.sparkfinetune.model.hub;

import java.io.IOException;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import org.apache.hadoop.fs.Path;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.model.hub.HubRepository.HubKind;
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
        .orElseGet(() -> new Path(named));
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
    if (!explicit && (!HubId.isName(name) || exists(named, store))) {
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
      throw named.startsWith(SCHEME) ? e : new UserError(e.getMessage() + noFolder(named), e);
    } catch (RunFailure e) {
      throw named.startsWith(SCHEME) ? e : new RunFailure(e.getMessage() + noFolder(named), e);
    }
  }

  private static String noFolder(String named) {
    return " There is no folder '%s' either.".formatted(named);
  }

  private static boolean exists(String named, Store store) {
    try {
      Path path = new Path(named);
      return store.fileSystem(path).exists(path);
    } catch (IOException e) {
      throw new UserError("'%s' cannot be looked up: %s".formatted(named, e.getMessage()), e);
    }
  }
}
