package org.sparkfinetune.model.hub;

import java.util.regex.Pattern;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.model.hub.HubRepository.HubKind;

/**
 * A repository at a revision.
 *
 * @param name {@code owner/name}
 * @param revision branch, tag or commit; only a commit (40 hexadecimal digits) means the same files
 *     tomorrow
 */
public record HubId(HubKind kind, String name, String revision) {
  /** What the hub calls the newest state. */
  public static final String MAIN = "main";

  private static final String WORD = "[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9_-])?";
  private static final Pattern NAME = Pattern.compile(WORD + "/" + WORD);
  private static final Pattern REVISION = Pattern.compile("[A-Za-z0-9_-][A-Za-z0-9._/+-]*");
  private static final Pattern COMMIT = Pattern.compile("[0-9a-f]{40}");

  /**
   * @throws UserError if the hub could not have such a name or revision
   */
  public HubId {
    if (!isName(name)) {
      throw new UserError(
          "'%s' is no name on a hub. Write owner/name, of letters, digits and . _ - (for example b-mc2/sql-create-context)."
              .formatted(name));
    }
    if (!REVISION.matcher(revision).matches() || revision.contains("..")) {
      throw new UserError(
          "'%s' is no revision of %s. Name a branch, a tag or a commit.".formatted(revision, name));
    }
  }

  /** Whether a text could be {@code owner/name}: so could a relative path of two parts. */
  public static boolean isName(String text) {
    return NAME.matcher(text).matches() && !text.contains("--") && !text.contains("..");
  }

  /** Whether the revision names files that can never change. */
  boolean isPinned() {
    return COMMIT.matcher(revision).matches();
  }

  String cacheName() {
    return kind.cachePrefix() + name.replace("/", "--");
  }

  /** As a user would write it. */
  @Override
  public String toString() {
    return "hub:%s@%s".formatted(name, revision);
  }
}
