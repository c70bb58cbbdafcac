package org.sparkfinetune.spark.prepare;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Path;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.hdfs.DistributedFileSystem;
import org.apache.hadoop.hdfs.HdfsConfiguration;
import org.apache.hadoop.hdfs.MiniDFSCluster;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sparkfinetune.spark.evaluate.Promotions;
import org.sparkfinetune.store.Store;
import org.sparkfinetune.store.Takeovers;
import org.sparkfinetune.testing.SparkSessions;

/** A real name node and data node, in this JVM. */
final class HdfsStoreTest {
  @TempDir private static Path disk;
  private static MiniDFSCluster cluster;
  private final SparkSession spark = SparkSessions.shared();
  @TempDir private Path scratch;

  @BeforeAll
  static void start() throws IOException {
    HdfsConfiguration configuration = new HdfsConfiguration();
    cluster = new MiniDFSCluster.Builder(configuration, disk.toFile()).numDataNodes(1).build();
    cluster.waitActive();
    // 400 ms otherwise, each time that a file is closed before its block was reported.
    SparkSessions.shared()
        .sparkContext()
        .hadoopConfiguration()
        .set("dfs.client.block.write.locateFollowingBlock.initial.delay.ms", "5");
  }

  @AfterAll
  static void stop() {
    cluster.shutdown();
  }

  private static String root(String name) {
    return cluster.getURI() + "/" + name;
  }

  @Test
  void raw_rows_become_packed_rows_on_hdfs() throws IOException {
    Stores.everythingWorksOn(spark, root("all"), scratch);
  }

  @Test
  void parts_are_joined_without_reading_them() throws IOException {
    long before = bytesRead();
    Stores.partsBecomeOneFile(spark, root("parts"), 0, 1, 3_000_000, 1, 70_000, 5);
    // The test itself reads the whole file once.
    assertThat(bytesRead() - before).isEqualTo(3_070_006);
  }

  private static long bytesRead() throws IOException {
    return FileSystem.getStatistics("hdfs", DistributedFileSystem.class).getBytesRead();
  }

  @Test
  void the_hubs_cache_may_be_on_hdfs() {
    Stores.aHubsFilesAreCachedOn(spark, root("hub"));
  }

  @Test
  void of_many_drivers_one_holds_the_run_in_all_takeovers_on_hdfs() throws Exception {
    org.apache.hadoop.fs.Path folder = new org.apache.hadoop.fs.Path(root("run/.lock"));
    Takeovers.on(folder.getFileSystem(new Configuration()), folder, 100);
  }

  @Test
  void while_adapters_are_promoted_on_hdfs_commands_always_find_one_whole() {
    new Promotions(root("promoted"), new Store(spark.sparkContext().hadoopConfiguration()))
        .areSeenWhole(Promotions.Configurations.DIFFERENT, Promotions.Reader.COMMAND);
  }

  @Test
  void adapters_of_one_configuration_are_replaced_in_one_move_on_hdfs() throws IOException {
    Promotions promotions =
        new Promotions(root("shown"), new Store(spark.sparkContext().hadoopConfiguration()));
    promotions.areSeenWhole(Promotions.Configurations.EQUAL, Promotions.Reader.PEFT);
    assertThat(promotions.names())
        .containsExactly("adapter", "config.yaml", "current.json", "evaluation.json", "versions");
  }
}
