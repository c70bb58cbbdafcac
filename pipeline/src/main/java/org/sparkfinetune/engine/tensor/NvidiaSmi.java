package org.sparkfinetune.engine.tensor;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.LongConsumer;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.store.Heartbeat;

/**
 * What NVIDIA's driver tells of a GPU through the program that comes with it: libtorch's own
 * functions for that cannot be reached from TorchScript.
 */
public final class NvidiaSmi {
  private static final long MIB = 1L << 20;
  private static final long PATIENCE_SECONDS = 30;
  private static final int PERIOD_MILLIS = 200;

  private final String program;

  public NvidiaSmi() {
    this("nvidia-smi");
  }

  public NvidiaSmi(String program) {
    this.program = program;
  }

  /**
   * A GPU.
   *
   * @param major of its compute capability, as {@code minor}
   * @param memory bytes
   */
  public record Gpu(String name, int major, int minor, long memory) {
    /** As NVIDIA writes it: 8.6. */
    public String capability() {
      return major + "." + minor;
    }
  }

  /** Looks until it is closed. */
  public interface Watch extends AutoCloseable {
    @Override
    void close();
  }

  /**
   * @throws RunFailure if the program is not there or does not know the GPU
   */
  public Gpu gpu(int index) {
    String line = ask(index, "compute_cap,memory.total,name");
    try {
      String[] parts = line.split(",", 3);
      String[] capability = parts[0].trim().split("\\.");
      return new Gpu(
          parts[2].trim(),
          Integer.parseInt(capability[0]),
          Integer.parseInt(capability[1]),
          Long.parseLong(parts[1].trim()) * MIB);
    } catch (NumberFormatException | ArrayIndexOutOfBoundsException e) {
      throw failure(index, "it answered " + line, e);
    }
  }

  /**
   * What names a GPU in {@code CUDA_VISIBLE_DEVICES} on any host: {@code GPU-8932f937-…}.
   *
   * @throws RunFailure if the program is not there or does not know the GPU
   */
  String uuid(int index) {
    return ask(index, "uuid").trim();
  }

  /**
   * Bytes of a GPU that no process uses.
   *
   * @throws RunFailure as {@link #gpu}
   */
  public long free(int index) {
    String line = ask(index, "memory.free");
    try {
      return Long.parseLong(line.trim()) * MIB;
    } catch (NumberFormatException e) {
      throw failure(index, "it answered " + line, e);
    }
  }

  private String ask(int index, String what) {
    try {
      Process process = new ProcessBuilder(command(index, what)).redirectErrorStream(true).start();
      String answer;
      try (BufferedReader lines = reader(process)) {
        answer = String.valueOf(lines.readLine());
      }
      if (!process.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS) || process.exitValue() != 0) {
        process.destroyForcibly();
        throw failure(index, "it answered " + answer, new IOException(answer));
      }
      return answer;
    } catch (IOException e) {
      throw failure(index, String.valueOf(e.getMessage()), e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw failure(index, "interrupted", e);
    }
  }

  /**
   * Tells the bytes in use on a GPU, five times a second, on a thread of its own.
   *
   * @throws RunFailure if the program is not there
   */
  public Watch used(int index, LongConsumer bytes) {
    List<String> command = command(index, "memory.used");
    command.addAll(List.of("-lms", Integer.toString(PERIOD_MILLIS)));
    try {
      Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
      Heartbeat.daemons("gpu-memory").newThread(() -> follow(process, bytes)).start();
      return process::destroyForcibly;
    } catch (IOException e) {
      throw failure(index, String.valueOf(e.getMessage()), e);
    }
  }

  private static void follow(Process process, LongConsumer bytes) {
    try (BufferedReader lines = reader(process)) {
      lines
          .lines()
          .map(String::trim)
          .filter(line -> line.matches("\\d+"))
          .forEach(line -> bytes.accept(Long.parseLong(line) * MIB));
    } catch (IOException | UncheckedIOException e) {
      // The process was ended: nobody looks any more.
      process.destroyForcibly();
    }
  }

  private List<String> command(int index, String what) {
    return new ArrayList<>(
        List.of(
            program,
            "--query-gpu=" + what,
            "--format=csv,noheader,nounits",
            "-i",
            Integer.toString(index)));
  }

  private static BufferedReader reader(Process process) {
    return new BufferedReader(
        new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8));
  }

  private RunFailure failure(int index, String why, Exception cause) {
    return new RunFailure(
        "%s could not be asked about GPU %s: %s. It comes with NVIDIA's driver and has to be on the PATH of the executor."
            .formatted(program, index, why),
        cause);
  }
}
