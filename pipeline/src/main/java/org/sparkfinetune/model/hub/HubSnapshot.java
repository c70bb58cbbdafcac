package org.sparkfinetune.model.hub;

import java.util.List;

/**
 * A repository at a moment.
 *
 * @param commit 40 hexadecimal digits
 * @param files all of them, by path
 */
public record HubSnapshot(String commit, List<HubFile> files) {
  public HubSnapshot {
    files = List.copyOf(files);
  }
}
