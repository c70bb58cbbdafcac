package org.sparkfinetune.hub;

import java.io.IOException;
import java.util.List;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.sparkfinetune.errors.UserError;

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
      String named, String revision, HubKind kind, List<String> patterns, Configuration hadoop) {
    boolean explicit = named.startsWith(SCHEME);
    String id = explicit ? named.substring(SCHEME.length()) : named;
    int at = id.indexOf('@');
    String name = at < 0 ? id : id.substring(0, at);
    if (!explicit && (!HubId.isName(name) || exists(named, hadoop))) {
      return new Path(named);
    }
    HubId repository = new HubId(kind, name, at < 0 ? revision : id.substring(at + 1));
    return HubRepository.of(repository, HubSettings.of(hadoop), hadoop).download(patterns);
  }

  private static boolean exists(String named, Configuration hadoop) {
    try {
      Path path = new Path(named);
      return path.getFileSystem(hadoop).exists(path);
    } catch (IOException e) {
      throw new UserError("'%s' cannot be looked up: %s".formatted(named, e.getMessage()), e);
    }
  }
}
