package org.sparkfinetune.spark.train;

import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.apache.spark.api.plugin.DriverPlugin;
import org.apache.spark.api.plugin.ExecutorPlugin;
import org.apache.spark.api.plugin.PluginContext;
import org.apache.spark.api.plugin.SparkPlugin;
import org.jspecify.annotations.Nullable;

/**
 * Lets something happen on an executor at a moment of training, which it knows by what the
 * executor's threads are doing; the code under test knows nothing of it. Looks for a {@link Fault}
 * in the folder that {@link #FOLDER} names.
 */
public final class FaultPlugin implements SparkPlugin {
  static final String FOLDER = "spark.finetune.test.faults";

  @Override
  public @Nullable DriverPlugin driverPlugin() {
    return null;
  }

  @Override
  public ExecutorPlugin executorPlugin() {
    return new ExecutorPlugin() {
      @Override
      public void init(PluginContext context, Map<String, String> settings) {
        Path folder = Path.of(context.conf().get(FOLDER));
        Thread watcher = new Thread(() -> watch(folder), "faults");
        watcher.setDaemon(true);
        watcher.start();
      }
    };
  }

  private static void watch(Path folder) {
    try {
      while (true) {
        Fault fault = Fault.armed(folder);
        if (fault != null && Files.exists(fault.after()) && isAt(fault) && claim(folder, fault)) {
          happen(fault);
        }
        TimeUnit.MILLISECONDS.sleep(1);
      }
    } catch (IOException | InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  private static boolean isAt(Fault fault) {
    for (StackTraceElement[] stack : Thread.getAllStackTraces().values()) {
      for (StackTraceElement frame : stack) {
        if (frame.getMethodName().equals(fault.method())
            && frame.getClassName().endsWith("." + fault.type())) {
          return true;
        }
      }
    }
    return false;
  }

  /** The first executor to come there is the one; what was saved until then is written down. */
  private static boolean claim(Path folder, Fault fault) throws IOException {
    try {
      Files.write(
          Files.createFile(Fault.claimed(folder)), SampleRun.checkpoints(fault.runFolder()));
      return true;
    } catch (FileAlreadyExistsException e) {
      return false;
    }
  }

  private static void happen(Fault fault) throws IOException, InterruptedException {
    if (fault.command().equals(Fault.OUT_OF_MEMORY)) {
      fillMemory();
      return;
    }
    ProcessBuilder shell = new ProcessBuilder("sh", "-c", fault.command()).inheritIO();
    shell.environment().put("SELF", Long.toString(ProcessHandle.current().pid()));
    shell.environment().put("ALL", String.join(" ", executorsOfThisDriver()));
    shell.start().waitFor();
  }

  private static List<String> executorsOfThisDriver() {
    return ProcessHandle.current().parent().stream()
        .flatMap(ProcessHandle::children)
        .filter(SampleRun::isExecutor)
        .map(executor -> Long.toString(executor.pid()))
        .toList();
  }

  /** For as long as another thread needs to meet it. */
  private static void fillMemory() throws InterruptedException {
    List<byte[]> hog = new ArrayList<>();
    for (int size = 1 << 24; size > 64; size /= 2) {
      try {
        while (true) {
          hog.add(new byte[size]);
        }
      } catch (OutOfMemoryError e) {
        // Full but for less than this size.
      }
    }
    TimeUnit.SECONDS.sleep(2);
    if (hog.isEmpty()) {
      throw new AssertionError("nothing was allocated");
    }
  }
}
