package org.sparkfinetune.spark.train;

import java.io.IOException;
import java.util.List;

/** A network namespace with a loopback device of its own. */
final class OwnNetwork implements AutoCloseable {
  private final String name = "finetune-faults-" + ProcessHandle.current().pid();

  private OwnNetwork() {}

  /** Whether this user can make one, and what is needed is installed. */
  static boolean isAllowed() throws IOException, InterruptedException {
    return run("unshare", "-n", "tc", "-V") == 0 && run("ip", "-V") == 0;
  }

  static OwnNetwork open() throws IOException, InterruptedException {
    OwnNetwork network = new OwnNetwork();
    run("ip", "netns", "del", network.name);
    if (run("ip", "netns", "add", network.name) != 0
        || run("ip", "netns", "exec", network.name, "ip", "link", "set", "dev", "lo", "up") != 0) {
      throw new IOException("No network namespace " + network.name);
    }
    return network;
  }

  /** Words to put before a command that shall run in it. */
  List<String> entering() {
    return List.of("ip", "netns", "exec", name);
  }

  private static int run(String... command) throws IOException, InterruptedException {
    try {
      return new ProcessBuilder(command)
          .redirectErrorStream(true)
          .redirectOutput(ProcessBuilder.Redirect.DISCARD)
          .start()
          .waitFor();
    } catch (IOException e) {
      return -1;
    }
  }

  @Override
  public void close() throws IOException, InterruptedException {
    run("ip", "netns", "del", name);
  }
}
