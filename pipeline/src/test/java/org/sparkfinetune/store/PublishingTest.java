package org.sparkfinetune.store;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.ObjectInputStream;
import java.io.ObjectOutputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.util.List;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Abortable;
import org.apache.hadoop.fs.CommonPathCapabilities;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.LocalFileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.StreamCapabilities;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.testing.WatchedDisk;

/** Files and folders appear as a whole or not at all, and what fails leaves nothing. */
final class PublishingTest {
  @TempDir private java.nio.file.Path folder;
  private final Store store = new Store(new Configuration());

  private Path path(String name) {
    return new Path(folder.toString(), name);
  }

  private List<String> names() throws IOException {
    try (Stream<java.nio.file.Path> all = Files.list(folder)) {
      return all.map(path -> path.getFileName().toString()).sorted().toList();
    }
  }

  private void write(Path file, String text) {
    store.replace(file, text);
  }

  @Test
  void a_staged_folder_is_hidden_until_it_takes_its_name_in_place_of_another() throws IOException {
    write(new Path(path("out"), "old"), "old");
    try (Staging staged = store.stage(path("out"))) {
      write(new Path(staged.path(), "new"), "new");
      assertThat(staged.path().getName()).startsWith(".out.").endsWith(".tmp");
      staged.publish();
    }
    assertThat(names()).containsExactly("out");
    assertThat(store.list(path("out"))).extracting(Path::getName).containsExactly("new");
  }

  @Test
  void a_staged_folder_that_is_given_up_leaves_nothing_and_changes_nothing() throws IOException {
    write(new Path(path("out"), "old"), "old");
    try (Staging staged = store.stage(path("out"))) {
      write(new Path(staged.path(), "new"), "new");
    }
    assertThat(names()).containsExactly("out");
    assertThat(store.list(path("out"))).extracting(Path::getName).containsExactly("old");
  }

  @Test
  void two_that_stage_the_same_folder_do_not_share_it() {
    try (Staging one = store.stage(path("out"));
        Staging other = store.stage(path("out"))) {
      assertThat(one.path()).isNotEqualTo(other.path());
    }
  }

  @Test
  void a_swap_puts_one_folder_in_the_place_of_another() {
    write(new Path(path("new"), "file"), "new");
    write(new Path(path("out"), "file"), "old");
    store.swap(path("new"), path("out"), path("aside"));
    assertThat(store.read(new Path(path("out"), "file"))).hasValue("new".getBytes(UTF_8));
    assertThat(store.read(new Path(path("aside"), "file"))).hasValue("old".getBytes(UTF_8));
  }

  @Test
  void a_swap_that_fails_half_way_gives_the_old_folder_its_name_again() throws IOException {
    write(new Path(path("out"), "file"), "old");
    assertThatThrownBy(() -> store.swap(path("missing"), path("out"), path("aside")))
        .isInstanceOf(RunFailure.class)
        .hasMessageContaining("missing could not be renamed");
    assertThat(names()).containsExactly("out");
    assertThat(store.read(new Path(path("out"), "file"))).hasValue("old".getBytes(UTF_8));
  }

  @Test
  void a_part_of_a_folder_appears_when_it_is_committed() throws IOException {
    try (AtomicFile part = store.createPart(path("part"))) {
      part.write("rows".getBytes(UTF_8));
      assertThat(names()).hasSize(1).doesNotContain("part");
      part.commit();
    }
    assertThat(names()).containsExactly("part");
    try (AtomicFile again = store.createPart(path("part"))) {
      again.write("half".getBytes(UTF_8));
    }
    assertThat(names()).containsExactly("part");
    assertThat(store.read(path("part"))).hasValue("rows".getBytes(UTF_8));
  }

  private Store objects() {
    Configuration hadoop = new Configuration();
    hadoop.setClass("fs.objects.impl", Objects.class, FileSystem.class);
    hadoop.setBoolean("fs.objects.impl.disable.cache", true);
    return new Store(hadoop);
  }

  private Path object(String name) {
    return new Path("objects:" + folder.resolve(name));
  }

  @Test
  void an_object_is_written_under_its_own_name_and_appears_when_it_is_committed()
      throws IOException {
    try (AtomicFile object = objects().create(object("object"))) {
      object.write("whole".getBytes(UTF_8));
      assertThat(names()).isEmpty();
      object.commit();
    }
    assertThat(names()).containsExactly("object");
    assertThat(folder.resolve("object")).hasContent("whole");
  }

  @Test
  void an_object_that_is_given_up_is_aborted_and_the_older_one_stays() throws IOException {
    Files.writeString(folder.resolve("object"), "older");
    try (AtomicFile object = objects().create(object("object"))) {
      object.write("half".getBytes(UTF_8));
    }
    assertThat(names()).containsExactly("object");
    assertThat(folder.resolve("object")).hasContent("older");
  }

  /** A store whose objects appear when their streams are closed. */
  public static class Objects extends WatchedDisk {
    @Override
    public boolean hasPathCapability(Path path, String capability) throws IOException {
      return !capability.equals(CommonPathCapabilities.FS_APPEND)
          && super.hasPathCapability(path, capability);
    }

    @Override
    protected FSDataOutputStream create(Path path, Usual usual) throws IOException {
      return new FSDataOutputStream(new Upload(pathToFile(path).toPath()), null);
    }
  }

  /** As those of Google and Azure. */
  public static final class AppendingObjects extends Objects {
    @Override
    public boolean hasPathCapability(Path path, String capability) {
      return capability.equals(CommonPathCapabilities.FS_APPEND);
    }
  }

  private static final class Upload extends OutputStream implements Abortable, StreamCapabilities {
    private final java.nio.file.Path file;
    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    private boolean aborted;

    Upload(java.nio.file.Path file) {
      this.file = file;
    }

    @Override
    public void write(int b) {
      bytes.write(b);
    }

    @Override
    public void close() throws IOException {
      if (!aborted) {
        Files.write(file, bytes.toByteArray());
      }
    }

    @Override
    public AbortableResult abort() {
      aborted = true;
      return new AbortableResult() {
        @Override
        public boolean alreadyClosed() {
          return false;
        }

        @Override
        public IOException anyCleanupException() {
          return null;
        }
      };
    }

    @Override
    public boolean hasCapability(String capability) {
      return capability.equals(StreamCapabilities.ABORTABLE_STREAM);
    }
  }

  @Test
  void a_store_that_is_sent_brings_its_settings_along() throws Exception {
    store.hadoop().set("a.setting", "of this store");
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (ObjectOutputStream out = new ObjectOutputStream(bytes)) {
      out.writeObject(store);
    }
    try (ObjectInputStream in =
        new ObjectInputStream(new ByteArrayInputStream(bytes.toByteArray()))) {
      Store received = (Store) in.readObject();
      assertThat(received.hadoop().get("a.setting")).isEqualTo("of this store");
      assertThat(received.clock().instant()).isNotNull();
      received.replace(path("file"), "text");
    }
    assertThat(store.read(path("file"))).hasValue("text".getBytes(UTF_8));
  }

  @ParameterizedTest
  @CsvSource({
    // HDFS and others like it
    "hdfs, true, true",
    "anything, true, true",
    // folders would be copied, whatever else the store can do
    "gs, true, false",
    "abfss, true, false",
    "s3a, false, false",
    // what cannot append is taken for an object store
    "anything, false, false",
  })
  void folders_are_renamed_where_a_store_appends_and_its_scheme_is_no_object_stores(
      String scheme, boolean appends, boolean renames) {
    Configuration hadoop = new Configuration();
    hadoop.setClass(
        "fs.%s.impl".formatted(scheme),
        appends ? AppendingObjects.class : Objects.class,
        FileSystem.class);
    hadoop.setBoolean("fs.%s.impl.disable.cache".formatted(scheme), true);
    assertThat(new Store(hadoop).renamesFolders(new Path(scheme + ":" + folder.resolve("x"))))
        .isEqualTo(renames);
    assertThat(store.renamesFolders(path("x"))).isTrue();
  }

  /** As Hive's ProxyLocalFileSystem, which a Spark with Hive has for {@code file:}. */
  public static final class ReplacesNothing extends LocalFileSystem {
    @Override
    public boolean rename(Path from, Path to) throws IOException {
      return !exists(to) && super.rename(from, to);
    }
  }

  @Test
  void a_file_is_replaced_though_the_schemes_file_system_replaces_none() {
    Configuration hadoop = new Configuration();
    hadoop.set("fs.file.impl", ReplacesNothing.class.getName());
    hadoop.setBoolean("fs.file.impl.disable.cache", true);
    Store hive = new Store(hadoop);
    Path file = new Path(folder.resolve("replaced").toUri());
    hive.replace(file, "a");
    hive.replace(file, "b");
    assertThat(hive.read(file)).hasValueSatisfying(bytes -> assertThat(bytes).containsExactly('b'));
  }

  /** As Parquet's writer writes. */
  @Test
  void checksums_of_the_local_file_system_stay_neither_behind_nor_wrong() throws IOException {
    Path file = path("file");
    Path temporary = path("temporary");
    Path checksums = path(".file.crc");
    FileSystem local = new LocalFileSystem();
    local.initialize(folder.toUri(), new Configuration());
    for (Path written : List.of(file, temporary)) {
      try (OutputStream out = local.create(written)) {
        out.write(written.getName().getBytes(UTF_8));
      }
    }
    assertThat(local.exists(checksums)).as("as Hadoop writes").isTrue();
    store.rename(temporary, file);
    try (InputStream in = local.open(file)) {
      assertThat(in.readAllBytes()).asString(UTF_8).isEqualTo("temporary");
    }
    try (Stream<java.nio.file.Path> left = Files.list(folder)) {
      assertThat(left).map(path -> path.getFileName().toString()).containsExactly("file");
    }
  }
}
