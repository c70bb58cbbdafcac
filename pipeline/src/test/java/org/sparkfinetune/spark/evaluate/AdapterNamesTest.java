package org.sparkfinetune.spark.evaluate;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;

final class AdapterNamesTest {

  @Test
  void names_are_what_tells_paths_apart() {
    assertThat(AdapterNames.of(List.of("/runs/a/adapter", "file:/runs/b/adapter/", "owner/c")))
        .containsExactly("a", "b", "c");
    assertThat(AdapterNames.of(List.of("/x/a/adapter", "/y/a/adapter")))
        .containsExactly("x/a", "y/a");
    assertThat(AdapterNames.of(List.of("/runs/base/adapter", "/runs/b/adapter")))
        .containsExactly("runs/base", "runs/b");
  }

  @Test
  void where_no_folder_does_the_whole_path_tells_them_apart() {
    assertThat(AdapterNames.of(List.of("/runs/a", "/runs/a/adapter")))
        .containsExactly("/runs/a", "/runs/a/adapter");
  }
}
