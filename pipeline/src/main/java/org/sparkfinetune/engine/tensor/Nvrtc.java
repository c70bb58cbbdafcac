package org.sparkfinetune.engine.tensor;

import com.sun.jna.Library;
import com.sun.jna.Pointer;
import com.sun.jna.ptr.LongByReference;
import com.sun.jna.ptr.PointerByReference;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.sparkfinetune.errors.RunFailure;

/**
 * NVIDIA's run-time compiler, which comes with every libtorch for CUDA. It compiles without a GPU
 * and without a driver.
 */
final class Nvrtc {
  private static final NvidiaLibrary LIBRARY =
      new NvidiaLibrary(
          "NVIDIA's run-time compiler",
          "libnvrtc",
          "libnvrtc.so.12",
          "cuda_nvrtc",
          "It comes with libtorch for CUDA: PYTORCH_LIBRARY_PATH names its folder.");

  private final Functions functions;

  private Nvrtc(Functions functions) {
    this.functions = functions;
  }

  /** Names and types are those of nvrtc.h. */
  interface Functions extends Library {
    int nvrtcCreateProgram(
        PointerByReference program,
        String source,
        String name,
        int headers,
        @Nullable Pointer contents,
        @Nullable Pointer names);

    int nvrtcCompileProgram(Pointer program, int count, String[] options);

    int nvrtcGetProgramLogSize(Pointer program, LongByReference size);

    int nvrtcGetProgramLog(Pointer program, byte[] log);

    int nvrtcGetCUBINSize(Pointer program, LongByReference size);

    int nvrtcGetCUBIN(Pointer program, byte[] cubin);

    int nvrtcDestroyProgram(PointerByReference program);

    String nvrtcGetErrorString(int result);
  }

  /**
   * Finds it beside libtorch, in PyPI's package of its own, or on the library path.
   *
   * @throws RunFailure if it is nowhere
   */
  static Nvrtc find(Map<String, String> environment) {
    return new Nvrtc(LIBRARY.load(Functions.class, environment));
  }

  /**
   * Compiles CUDA C++ for one architecture.
   *
   * @param architecture sm_80 or another
   * @return a cubin
   * @throws RunFailure with the compiler's messages
   */
  byte[] compile(String source, String name, String architecture) {
    PointerByReference program = new PointerByReference();
    check(functions.nvrtcCreateProgram(program, source, name, 0, null, null), name);
    try {
      Pointer own = program.getValue();
      String[] options = {"--gpu-architecture=" + architecture, "--fmad=false"};
      if (functions.nvrtcCompileProgram(own, options.length, options) != 0) {
        throw new RunFailure(
            "%s does not compile for %s: %s".formatted(name, architecture, log(own)));
      }
      LongByReference size = new LongByReference();
      check(functions.nvrtcGetCUBINSize(own, size), name);
      byte[] cubin = new byte[Math.toIntExact(size.getValue())];
      check(functions.nvrtcGetCUBIN(own, cubin), name);
      return cubin;
    } finally {
      functions.nvrtcDestroyProgram(program);
    }
  }

  private String log(Pointer program) {
    LongByReference size = new LongByReference();
    check(functions.nvrtcGetProgramLogSize(program, size), "the compiler's messages");
    byte[] log = new byte[Math.toIntExact(size.getValue())];
    check(functions.nvrtcGetProgramLog(program, log), "the compiler's messages");
    return new String(log, StandardCharsets.UTF_8).replace("\0", "").strip();
  }

  private void check(int result, String what) {
    if (result != 0) {
      throw new RunFailure(
          "NVRTC failed on %s: %s".formatted(what, functions.nvrtcGetErrorString(result)));
    }
  }
}
