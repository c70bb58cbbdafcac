package org.sparkfinetune.model.hub;

import java.util.List;
import java.util.regex.Pattern;
import org.sparkfinetune.model.hub.HubDownload.Checksum;

/**
 * One file of a repository.
 *
 * @param path below the repository's root, with slashes
 * @param size bytes
 */
public record HubFile(String path, long size, Checksum checksum) {

  /**
   * Whether the path matches one of the patterns, as the hub's own tools read them: {@code *} is
   * any characters, slashes too, {@code ?} is any one.
   */
  public boolean matches(List<String> patterns) {
    return patterns.stream().anyMatch(this::matches);
  }

  private boolean matches(String pattern) {
    StringBuilder regex = new StringBuilder();
    String whole = pattern.endsWith("/") ? pattern + "*" : pattern;
    for (char c : whole.toCharArray()) {
      switch (c) {
        case '*' -> regex.append(".*");
        case '?' -> regex.append('.');
        default -> regex.append(Pattern.quote(String.valueOf(c)));
      }
    }
    return Pattern.compile(regex.toString(), Pattern.DOTALL).matcher(path).matches();
  }

  /** A name that could leave the folder it is downloaded to. */
  boolean isUnsafe() {
    return path.isEmpty()
        || path.startsWith("/")
        || path.contains("\\")
        || path.contains(":")
        || List.of(path.split("/", -1)).stream()
            .anyMatch(part -> part.isEmpty() || part.equals(".") || part.equals(".."));
  }
}
