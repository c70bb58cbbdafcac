package org.sparkfinetune.spark.prepare;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.HttpURLConnection;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.sql.SparkSession;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sparkfinetune.spark.evaluate.Promotions;
import org.sparkfinetune.store.Store;
import org.sparkfinetune.store.Takeovers;
import org.sparkfinetune.testing.SparkSessions;

/** Hadoop's S3A against S3Mock, a process of its own. */
final class S3StoreTest {
  private static final String BUCKET = "rows";
  @TempDir private static Path disk;
  private static Process server;
  private static int port;
  private final SparkSession spark = SparkSessions.shared();
  @TempDir private Path scratch;

  @BeforeAll
  static void start() throws IOException {
    port = freePort();
    server =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx256m",
                "-jar",
                "target/stores/s3mock.jar",
                "--server.address=127.0.0.1",
                "--server.port=" + freePort(),
                "--com.adobe.testing.s3mock.http-port=" + port,
                "--com.adobe.testing.s3mock.domain.initial-buckets=" + BUCKET,
                "--com.adobe.testing.s3mock.domain.root=" + disk)
            .redirectErrorStream(true)
            .redirectOutput(Path.of("target/stores/s3mock.log").toFile())
            .start();
    Awaitility.await().atMost(Duration.ofSeconds(90)).until(S3StoreTest::answers);
    Configuration hadoop = SparkSessions.shared().sparkContext().hadoopConfiguration();
    hadoop.set("fs.s3a.endpoint", "http://127.0.0.1:" + port);
    hadoop.set("fs.s3a.endpoint.region", "us-east-1");
    hadoop.set("fs.s3a.path.style.access", "true");
    hadoop.set("fs.s3a.access.key", "any");
    hadoop.set("fs.s3a.secret.key", "any");
    hadoop.set("fs.s3a.connection.ssl.enabled", "false");
    hadoop.set("fs.s3a.fast.upload.buffer", "bytebuffer");
    // S3Mock compares ETags with their quotes, which Hadoop's client sends without.
    hadoop.set("fs.s3a.change.detection.mode", "none");
  }

  private static int freePort() throws IOException {
    try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      return socket.getLocalPort();
    }
  }

  private static boolean answers() {
    try {
      HttpURLConnection connection =
          (HttpURLConnection)
              URI.create("http://127.0.0.1:" + port + "/" + BUCKET).toURL().openConnection();
      return connection.getResponseCode() == 200;
    } catch (IOException e) {
      return false;
    }
  }

  @AfterAll
  static void stop() {
    Configuration hadoop = SparkSessions.shared().sparkContext().hadoopConfiguration();
    List.of("endpoint", "endpoint.region", "path.style.access", "access.key", "secret.key")
        .forEach(key -> hadoop.unset("fs.s3a." + key));
    server.destroyForcibly();
  }

  private static String root(String name) {
    return "s3a://%s/%s".formatted(BUCKET, name);
  }

  @Test
  void raw_rows_become_packed_rows_on_an_object_store() throws IOException {
    Stores.everythingWorksOn(spark, root("all"), scratch);
  }

  @Test
  void parts_are_uploaded_by_tasks() throws IOException {
    int small = 3 << 20;
    Stores.partsBecomeOneFile(spark, root("parts"), 3, 5 << 20, small, small, 6 << 20, small, 1);
    Stores.partsBecomeOneFile(spark, root("few"), 0, 5 << 20, 10, 20);
  }

  @Test
  void the_hubs_cache_may_be_on_an_object_store() {
    Stores.aHubsFilesAreCachedOn(spark, root("hub"));
  }

  @Test
  void of_many_drivers_one_holds_the_run_in_all_takeovers_on_an_object_store() throws Exception {
    org.apache.hadoop.fs.Path folder = new org.apache.hadoop.fs.Path(root("run/.lock"));
    Takeovers.on(folder.getFileSystem(spark.sparkContext().hadoopConfiguration()), folder, 100);
  }

  @Test
  void while_adapters_are_promoted_on_an_object_store_commands_always_find_one_whole()
      throws IOException {
    Promotions promotions =
        new Promotions(root("promoted"), new Store(spark.sparkContext().hadoopConfiguration()));
    promotions.areSeenWhole(Promotions.Configurations.DIFFERENT, Promotions.Reader.COMMAND);
    assertThat(promotions.names()).containsExactly("current.json", "versions");
  }
}
