package org.sparkfinetune.spark.evaluate;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.hadoop.fs.Path;
import org.sparkfinetune.store.AtomicFile;
import org.sparkfinetune.store.PromotedFolder;
import org.sparkfinetune.store.Store;

/** Adapters that are promoted, one after the other, while another thread reads the folder. */
public final class Promotions {
  private static final int COUNT = 200;
  private static final int WEIGHTS = 1 << 14;

  private final Path root;
  private final Store store;

  /** On any store. */
  public Promotions(String root, Store store) {
    this.root = new Path(root);
    this.store = store;
  }

  /** How the other thread finds the adapter. */
  public enum Reader {
    /** As our commands do. */
    COMMAND,
    /** Under its plain name, as PEFT does. */
    PEFT
  }

  /** What {@code adapter_config.json} says of two adapters. */
  public enum Configurations {
    EQUAL,
    DIFFERENT
  }

  /**
   * The reader always finds one, and never the weights of one with the configuration of another.
   */
  public void areSeenWhole(Configurations configurations, Reader... readers) {
    AtomicBoolean done = new AtomicBoolean();
    promote(1, configurations);
    CompletableFuture<Integer> seen =
        CompletableFuture.supplyAsync(() -> reads(configurations, List.of(readers), done));
    try {
      for (int i = 2; i <= COUNT && !seen.isDone(); i++) {
        promote(i, configurations);
      }
    } finally {
      done.set(true);
    }
    assertThat(seen.join()).as("different adapters that were read").isGreaterThan(COUNT / 20);
  }

  private void promote(int number, Configurations configurations) {
    Path run = new Path(root, "run");
    Path adapter = new Path(run, "adapter");
    write(new Path(adapter, "adapter_config.json"), configuration(number, configurations));
    write(new Path(adapter, "adapter_model.safetensors"), weights(number));
    write(new Path(run, "config.yaml"), ("seed: " + number).getBytes(UTF_8));
    new PromotedFolder(best(), store).add(adapter, "{}");
  }

  private Path best() {
    return new Path(root, "best");
  }

  private static byte[] configuration(int number, Configurations configurations) {
    return switch (configurations) {
      case EQUAL -> "{\"r\": 16}".getBytes(UTF_8);
      case DIFFERENT -> "{\"r\": %d}".formatted(number).getBytes(UTF_8);
    };
  }

  private static byte[] weights(int number) {
    byte[] weights = new byte[WEIGHTS];
    Arrays.fill(weights, (byte) number);
    return weights;
  }

  private int reads(Configurations configurations, List<Reader> readers, AtomicBoolean done) {
    boolean[] seen = new boolean[COUNT + 1];
    int adapters = 0;
    try {
      for (int i = 0; !done.get(); i++) {
        Reader reader = readers.get(i % readers.size());
        Path adapter =
            switch (reader) {
              case COMMAND -> PromotedFolder.followed(new Path(best(), "adapter"), store);
              case PEFT -> new Path(best(), "adapter");
            };
        byte[] before = read(new Path(adapter, "adapter_config.json"));
        byte[] weights = read(new Path(adapter, "adapter_model.safetensors"));
        byte[] after = read(new Path(adapter, "adapter_config.json"));
        int number = weights[0] & 0xff;
        assertThat(weights).as("weights").isEqualTo(weights(number));
        if (Arrays.equals(before, after)) {
          assertThat(before)
              .asString()
              .isEqualTo(new String(configuration(number, configurations), UTF_8));
        } else {
          assertThat(reader).as("a version is never changed").isEqualTo(Reader.PEFT);
        }
        adapters += seen[number] ? 0 : 1;
        seen[number] = true;
      }
      return adapters;
    } catch (IOException e) {
      throw new AssertionError("an adapter could not be read", e);
    }
  }

  private void write(Path file, byte[] bytes) {
    try (AtomicFile out = store.create(file)) {
      out.write(ByteBuffer.wrap(bytes));
      out.commit();
    }
  }

  private byte[] read(Path file) throws IOException {
    try (InputStream in = store.fileSystem(file).open(file)) {
      return in.readAllBytes();
    }
  }

  /** Names in the promoted folder, sorted. */
  public List<String> names() throws IOException {
    return Arrays.stream(store.fileSystem(best()).listStatus(best()))
        .map(status -> status.getPath().getName())
        .sorted()
        .toList();
  }
}
