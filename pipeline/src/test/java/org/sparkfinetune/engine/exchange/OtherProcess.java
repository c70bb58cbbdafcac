package org.sparkfinetune.engine.exchange;

import java.io.EOFException;
import java.io.File;
import java.io.IOException;
import java.io.ObjectInputStream;
import java.io.ObjectOutputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.sparkfinetune.engine.exchange.NetworkEndpoint.PeerAddress;
import org.sparkfinetune.testing.ChildJvm;

/** Rank 1 of 2 in a JVM of its own, for what only processes can do: being killed and frozen. */
final class OtherProcess implements AutoCloseable {
  private static final File LOG = new File("target/surefire-reports/other-process.log");

  private final Process process;
  private final ProcessGroup exchange;

  private OtherProcess(Process process, ProcessGroup exchange) {
    this.process = process;
    this.exchange = exchange;
  }

  static OtherProcess start(ExchangeSettings settings, Path folder) throws IOException {
    Path shard = Files.write(folder.resolve("other-shard"), new byte[] {0, 1, 2, 3, 4});
    Secret secret = Secret.random();
    NetworkEndpoint endpoint = NetworkEndpoint.open(settings, secret, 0, 2, "127.0.0.1");
    Process process =
        new ProcessBuilder(
                ChildJvm.command(ChildJvm.SHORT_LIVED, OtherProcess.class, shard.toString()))
            .redirectError(ProcessBuilder.Redirect.appendTo(LOG))
            .start();
    tell(process.getOutputStream(), settings, secret, endpoint.address());
    ProcessGroup exchange = endpoint.connect(List.of(endpoint.address(), answer(process)));
    return new OtherProcess(process, exchange);
  }

  private static void tell(OutputStream to, Object... values) throws IOException {
    ObjectOutputStream out = new ObjectOutputStream(to);
    for (Object value : values) {
      out.writeObject(value);
    }
    out.flush();
  }

  private static PeerAddress answer(Process process) throws IOException {
    try {
      return (PeerAddress) new ObjectInputStream(process.getInputStream()).readObject();
    } catch (EOFException | ClassNotFoundException e) {
      throw new IOException("The other process ended before it listened.", e);
    }
  }

  /** This process's rank 0. */
  ProcessGroup exchange() {
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
   * Tells its parent its address, as that tells it all else; serves the file given as argument,
   * adds 42.5 to one sum and stays.
   */
  public static void main(String[] arguments) throws Exception {
    ObjectInputStream in = new ObjectInputStream(System.in);
    ExchangeSettings settings = (ExchangeSettings) in.readObject();
    Secret secret = (Secret) in.readObject();
    PeerAddress zero = (PeerAddress) in.readObject();
    NetworkEndpoint endpoint = NetworkEndpoint.open(settings, secret, 1, 2, "127.0.0.1");
    tell(System.out, endpoint.address());
    ProcessGroup exchange = endpoint.connect(List.of(zero, endpoint.address()));
    exchange.serve(Shard.file(Path.of(arguments[0])));
    exchange.sum("both", 0, new double[] {42.5});
    // Ends with its parent, whatever happens to that.
    System.in.transferTo(OutputStream.nullOutputStream());
    exchange.close();
  }
}
