package org.sparkfinetune.prepare;

import java.io.IOException;
import java.nio.file.Path;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.hdfs.HdfsConfiguration;
import org.apache.hadoop.hdfs.MiniDFSCluster;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sparkfinetune.lease.Takeovers;
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
  void the_hubs_cache_may_be_on_hdfs() {
    Stores.aHubsFilesAreCachedOn(spark, root("hub"));
  }

  @Test
  void of_many_drivers_one_holds_the_run_in_all_takeovers_on_hdfs() throws Exception {
    org.apache.hadoop.fs.Path folder = new org.apache.hadoop.fs.Path(root("run/.lock"));
    Takeovers.on(folder.getFileSystem(new Configuration()), folder, 100);
  }
}
