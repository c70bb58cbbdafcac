package org.sparkfinetune.spark.dataset;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.store.Store;

/** A data set is read whole or not at all. */
final class DatasetSplitTest {
  private final Store store = new Store(new Configuration());
  @TempDir private Path folder;

  @BeforeEach
  void dataset() throws IOException {
    for (String file : new String[] {"train/part-00000.parquet", "train/part-00001.parquet"}) {
      Files.createDirectories(folder.resolve(file).getParent());
      Files.writeString(folder.resolve(file), "rows");
    }
    Files.writeString(folder.resolve("test_dataset.json"), "{}\n");
  }

  private org.apache.hadoop.fs.Path path() {
    return new org.apache.hadoop.fs.Path(folder.toUri());
  }

  private void writeManifest() throws IOException {
    DatasetManifest.ofFilesIn(store, path(), List.of()).write(store, path());
  }

  private DatasetSplit train() {
    return DatasetSplit.train(path(), store);
  }

  @Test
  void files_that_a_person_put_there_need_no_manifest() {
    assertThat(train().files()).hasSize(2);
  }

  @Test
  void a_whole_data_set_is_read_though_tidying_up_was_not_reached() throws IOException {
    Files.writeString(folder.resolve(DatasetManifest.AT_WORK), "");
    writeManifest();
    assertThat(train().files()).hasSize(2);
    assertThat(DatasetSplit.find(path(), "test", store)).isPresent();
  }

  @Test
  void what_prepare_has_not_finished_is_refused() throws IOException {
    Files.writeString(folder.resolve(DatasetManifest.AT_WORK), "");
    assertThatThrownBy(this::train)
        .isInstanceOf(UserError.class)
        .hasMessageContaining("is not whole: prepare is still at work there, or was killed");
  }

  @Test
  void a_file_that_is_missing_is_named() throws IOException {
    writeManifest();
    Files.delete(folder.resolve("train/part-00001.parquet"));
    assertThatThrownBy(this::train)
        .isInstanceOf(UserError.class)
        .hasMessageContaining("has nothing of train/part-00001.parquet, but prepare wrote 4 bytes");
  }

  @Test
  void a_split_that_is_missing_is_no_data_set_without_it() throws IOException {
    writeManifest();
    Files.delete(folder.resolve("test_dataset.json"));
    assertThatThrownBy(() -> DatasetSplit.find(path(), "test", store))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("test_dataset.json");
    assertThat(DatasetSplit.find(path(), "other", store)).isEqualTo(Optional.empty());
  }

  @Test
  void a_file_that_is_cut_short_or_too_many_is_named() throws IOException {
    writeManifest();
    Files.writeString(folder.resolve("test_dataset.json"), "{");
    assertThatThrownBy(() -> DatasetSplit.find(path(), "test", store))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("has 1 bytes of test_dataset.json, but prepare wrote 3 bytes");
    Files.writeString(folder.resolve("train/part-00002.parquet"), "more");
    assertThatThrownBy(this::train)
        .isInstanceOf(UserError.class)
        .hasMessageContaining("has 4 bytes of train/part-00002.parquet, but prepare wrote nothing");
  }
}
