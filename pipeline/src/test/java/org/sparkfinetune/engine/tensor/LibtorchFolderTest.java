package org.sparkfinetune.engine.tensor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.engine.Engine;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sparkfinetune.errors.UserError;

class LibtorchFolderTest {
  @TempDir Path folder;
  private Path lib;
  private final Map<String, String> environment = new HashMap<>();

  @BeforeEach
  void wheel() throws IOException {
    lib = Files.createDirectories(folder.resolve("torch/lib"));
    Files.createFile(lib.resolve("libtorch_cpu.so"));
    environment.put("PYTORCH_LIBRARY_PATH", lib.toString());
    environment.put("PYTORCH_FLAVOR", "cpu");
    environment.put("PYTORCH_VERSION", "2.7.1");
  }

  private LibtorchFolder here() {
    return LibtorchFolder.of(environment::get);
  }

  @Test
  void the_version_is_that_of_the_bridge_in_our_jar() {
    Torch.start(1).close();
    assertThat(Engine.getInstance().getVersion()).isEqualTo(LibtorchFolder.VERSION);
  }

  @Test
  void nothing_named_is_nothing_to_check() {
    environment.clear();
    assertThat(here().isNamed()).isFalse();
    assertThatCode(here()::check).doesNotThrowAnyException();
  }

  @Test
  void wheels_and_unpacked_libtorches_of_the_version_pass() throws IOException {
    assertThatCode(here()::check).doesNotThrowAnyException();
    Files.writeString(folder.resolve("torch/version.py"), wheelVersion("2.7.1+cu126"));
    assertThatCode(here()::check).doesNotThrowAnyException();
    Files.delete(folder.resolve("torch/version.py"));
    Files.writeString(folder.resolve("torch/build-version"), "2.7.1+cu128\n");
    assertThatCode(here()::check).doesNotThrowAnyException();
    environment.put("PYTORCH_LIBRARY_PATH", "/none:" + lib);
    assertThatCode(here()::check).doesNotThrowAnyException();
  }

  @Test
  void a_folder_without_libtorch_is_refused_and_not_passed_over() {
    environment.put("PYTORCH_LIBRARY_PATH", "/none");
    assertThatThrownBy(here()::check)
        .isInstanceOf(UserError.class)
        .hasMessageContaining("PYTORCH_LIBRARY_PATH is /none, but there is no libtorch_cpu.so")
        .hasMessageContaining("torch==2.7.1");
  }

  @Test
  void another_version_is_refused_before_it_crashes_the_jvm() throws IOException {
    Files.writeString(folder.resolve("torch/version.py"), wheelVersion("2.11.0+cu130"));
    assertThatThrownBy(here()::check)
        .isInstanceOf(UserError.class)
        .hasMessageContaining("The libtorch in " + lib + " is 2.11.0, but")
        .hasMessageContaining("made for 2.7.1");
    environment.put("PYTORCH_VERSION", "2.11.0");
    assertThatThrownBy(here()::check)
        .isInstanceOf(UserError.class)
        .hasMessageContaining("PYTORCH_VERSION is 2.11.0");
  }

  @Test
  void the_flavor_has_to_be_said() {
    environment.remove("PYTORCH_FLAVOR");
    assertThatThrownBy(here()::check)
        .isInstanceOf(UserError.class)
        .hasMessageContaining("PYTORCH_LIBRARY_PATH is set without PYTORCH_FLAVOR")
        .hasMessageContaining("PYTORCH_FLAVOR=cpu");
  }

  @Test
  void advice_follows_what_the_system_said_of_a_library() {
    assertThat(advice("libcaffe2_nvrtc.so: libcuda.so.1: cannot open shared object file: No such"))
        .contains("NVIDIA's driver", "PYTORCH_FLAVOR=cpu")
        .doesNotContain("glibc");
    assertThat(advice("libcudart.so.12: cannot open shared object file: No such file"))
        .contains("nvidia-* packages");
    assertThat(advice("/lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.28' not found"))
        .contains("glibc 2.28");
    assertThat(advice("Failed to save pytorch index file")).contains("DJL_CACHE_DIR");
  }

  private static String advice(String words) {
    return LibtorchFolder.adviceOn(words);
  }

  /** As the wheel's file is. */
  private static String wheelVersion(String version) {
    return "from typing import Optional\n\n__all__ = ['__version__', 'debug', 'cuda']\n"
        + "__version__ = '%s'\ndebug = False\n".formatted(version);
  }
}
