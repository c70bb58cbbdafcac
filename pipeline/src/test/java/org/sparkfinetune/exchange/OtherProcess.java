package org.sparkfinetune.exchange;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.ObjectInputStream;
import java.io.ObjectOutputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/** Rank 1 of 2 in a JVM of its own, for what only processes can do: being killed and frozen. */
final class OtherProcess implements AutoCloseable {
  private final Process process;
  private final Exchange exchange;

  private OtherProcess(Process process, Exchange exchange) {
    this.process = process;
    this.exchange = exchange;
  }

  static OtherProcess start(ExchangeSettings settings, Path folder) throws IOException {
    Path shard = Files.write(folder.resolve("other-shard"), new byte[] {0, 1, 2, 3, 4});
    Secret secret = Secret.random();
    NetworkEndpoint endpoint = NetworkEndpoint.open(settings, secret, 0, 2, "127.0.0.1");
    Process process =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx128m",
                "-XX:TieredStopAtLevel=1",
                "-cp",
                System.getProperty("java.class.path"),
                OtherProcess.class.getName(),
                shard.toString())
            .redirectError(ProcessBuilder.Redirect.INHERIT)
            .start();
    tell(process.getOutputStream(), settings, secret, endpoint.address());
    int port = Integer.parseInt(firstLine(process));
    Exchange exchange =
        endpoint.connect(List.of(endpoint.address(), new PeerAddress(1, "127.0.0.1", port)));
    return new OtherProcess(process, exchange);
  }

  private static void tell(OutputStream to, Object... values) throws IOException {
    ObjectOutputStream out = new ObjectOutputStream(to);
    for (Object value : values) {
      out.writeObject(value);
    }
    out.flush();
  }

  private static String firstLine(Process process) throws IOException {
    BufferedReader reader =
        new BufferedReader(
            new InputStreamReader(process.getInputStream(), StandardCharsets.US_ASCII));
    String line = reader.readLine();
    if (line == null) {
      throw new IOException("The other process ended before it listened.");
    }
    return line;
  }

  /** This process's rank 0. */
  Exchange exchange() {
    return exchange;
  }

  void kill() {
    process.destroyForcibly();
  }

  void freeze() throws IOException, InterruptedException {
    new ProcessBuilder("kill", "-STOP", Long.toString(process.pid())).start().waitFor();
  }

  @Override
  public void close() {
    kill();
    exchange.close();
  }

  /**
   * Tells its parent its port, on standard output; serves the file given as argument, adds 42.5 to
   * one sum and stays.
   */
  public static void main(String[] arguments) throws Exception {
    ObjectInputStream in = new ObjectInputStream(System.in);
    ExchangeSettings settings = (ExchangeSettings) in.readObject();
    Secret secret = (Secret) in.readObject();
    PeerAddress zero = (PeerAddress) in.readObject();
    NetworkEndpoint endpoint = NetworkEndpoint.open(settings, secret, 1, 2, "127.0.0.1");
    System.out.println(endpoint.address().port());
    System.out.flush();
    Exchange exchange = endpoint.connect(List.of(zero, endpoint.address()));
    exchange.serve(Shard.file(Path.of(arguments[0])));
    exchange.sum("both", 0, new double[] {42.5});
    // Ends with its parent, whatever happens to that.
    System.in.transferTo(OutputStream.nullOutputStream());
    exchange.close();
  }
}
