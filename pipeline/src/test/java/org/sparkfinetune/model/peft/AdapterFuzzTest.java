package org.sparkfinetune.model.peft;

import java.nio.file.Files;
import java.nio.file.Path;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sparkfinetune.store.Store;
import org.sparkfinetune.testing.Fuzz;
import org.sparkfinetune.testing.Fuzz.Share;

final class AdapterFuzzTest {
  private static final Store STORE = new Store(new Configuration(false));
  @TempDir Path folder;

  private byte[] copied(String name) throws Exception {
    Path golden =
        Path.of(
            AdapterFuzzTest.class.getResource("/golden/trajectory-lora-float32.adapter").toURI());
    Files.copy(golden.resolve("adapter_config.json"), folder.resolve("adapter_config.json"));
    Files.copy(
        golden.resolve("adapter_model.safetensors"), folder.resolve("adapter_model.safetensors"));
    return Files.readAllBytes(folder.resolve(name));
  }

  private void open() {
    try (AdapterFiles files =
        AdapterFiles.open(new org.apache.hadoop.fs.Path(folder.toUri()), STORE)) {
      files.modules().forEach(module -> files.config());
    }
  }

  @Test
  void a_damaged_adapter_config_is_read_or_refused() throws Exception {
    byte[] valid = copied("adapter_config.json");
    Fuzz.run(
        valid,
        Share.ALL,
        input -> {
          Files.write(folder.resolve("adapter_config.json"), input);
          open();
        });
  }

  @Test
  void a_damaged_adapter_file_is_read_or_refused() throws Exception {
    byte[] valid = copied("adapter_model.safetensors");
    Fuzz.run(
        valid,
        Share.TENTH,
        input -> {
          Files.write(folder.resolve("adapter_model.safetensors"), input);
          open();
        });
  }
}
