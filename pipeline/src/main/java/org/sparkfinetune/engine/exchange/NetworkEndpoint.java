package org.sparkfinetune.engine.exchange;

import java.io.Serializable;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.spark.network.TransportContext;
import org.apache.spark.network.client.TransportClientFactory;
import org.apache.spark.network.crypto.AuthClientBootstrap;
import org.apache.spark.network.crypto.AuthServerBootstrap;
import org.apache.spark.network.server.NoOpRpcHandler;
import org.apache.spark.network.server.TransportServer;
import org.apache.spark.network.util.MapConfigProvider;
import org.apache.spark.network.util.TransportConf;
import org.sparkfinetune.engine.exchange.ExchangeStats.Counters;
import org.sparkfinetune.errors.RunFailure;

/**
 * A rank that listens but does not know its peers yet. Ranks open an endpoint, tell each other the
 * addresses (in a barrier stage by its {@code allGather}) and connect.
 */
public final class NetworkEndpoint implements AutoCloseable {
  private static final long POOL_BYTES = 1L << 30;

  private final ExchangeSettings settings;
  private final PeerAddress address;
  private final int worldSize;
  private final BufferPool buffers;
  private final Counters counters;
  private final BorrowedMemory borrowed = new BorrowedMemory();
  private final PeerRequestHandler requests;
  private final TransportContext serving;
  private final TransportServer server;
  private final TransportContext calling;
  private final TransportClientFactory clients;

  private NetworkEndpoint(
      ExchangeSettings settings, Secret secret, int rank, int worldSize, String host) {
    this.settings = settings;
    this.worldSize = worldSize;
    this.buffers = new BufferPool(POOL_BYTES);
    this.counters = new Counters();
    TransportConf conf = Transport.conf(settings);
    this.requests = new PeerRequestHandler(conf, rank, worldSize, buffers, borrowed, counters);
    this.serving = new TransportContext(conf, requests);
    ConnectionGuard guard =
        new ConnectionGuard(
            new AuthServerBootstrap(conf, secret.keyHolder()), settings.connectTimeout());
    this.server = serving.createServer(host, 0, List.of(guard));
    this.address = new PeerAddress(rank, host, server.getPort());
    // The transport is symmetric: a client answers requests of the server it called. Ours does not.
    this.calling = new TransportContext(conf, new NoOpRpcHandler(), false, true);
    this.clients =
        calling.createClientFactory(
            List.of(new AuthClientBootstrap(conf, Secret.USER, secret.keyHolder())));
  }

  /**
   * Listens on a free port of {@code host}, which must be an address or name of this machine that
   * the peers can reach.
   *
   * @throws RunFailure if nothing can listen there
   */
  public static NetworkEndpoint open(
      ExchangeSettings settings, Secret secret, int rank, int worldSize, String host) {
    try {
      return new NetworkEndpoint(settings, secret, rank, worldSize, host);
    } catch (Exception e) {
      // Netty throws checked exceptions without declaring them.
      throw new RunFailure(
          "Rank %s cannot listen on %s: %s. The host name has to be one of this machine's."
              .formatted(rank, host, e),
          e);
    }
  }

  public PeerAddress address() {
    return address;
  }

  /**
   * Connects to every peer.
   *
   * @param addresses of all ranks in rank order, this one included
   * @throws RunFailure if one cannot be reached or does not know the secret; the endpoint is closed
   */
  public ProcessGroup connect(List<PeerAddress> addresses) {
    GroupMembers members = new GroupMembers(address.rank(), addresses);
    PendingOperations pending = new PendingOperations(members, settings.waitTimeout());
    Map<Integer, PeerLink> links = new HashMap<>();
    try {
      for (int peer = 0; peer < worldSize; peer++) {
        if (peer != address.rank()) {
          links.put(peer, PeerLink.connect(clients, members, peer, pending, borrowed, settings));
        }
      }
    } catch (RuntimeException e) {
      links.values().forEach(PeerLink::close);
      pending.close();
      close();
      throw e;
    }
    requests.joined(pending);
    return new NetworkProcessGroup(this, members, pending, links);
  }

  ExchangeSettings settings() {
    return settings;
  }

  BufferPool buffers() {
    return buffers;
  }

  BorrowedMemory borrowed() {
    return borrowed;
  }

  Counters counters() {
    return counters;
  }

  PeerRequestHandler requests() {
    return requests;
  }

  /** Ends what is being sent to peers that called. */
  void cutOff() {
    server.close();
  }

  /** Stops listening; only for an endpoint that was never connected, else close the exchange. */
  @Override
  public void close() {
    clients.close();
    server.close();
    calling.close();
    serving.close();
  }

  /** Where a rank's exchange listens. */
  public record PeerAddress(int rank, String host, int port) implements Serializable {
    /** For messages: {@code rank 1 (worker-3:40123)}. */
    String name() {
      return "rank %s (%s:%s)".formatted(rank, host, port);
    }
  }

  /**
   * Settings of Spark's transport for the exchange. The application's own {@code spark.*} settings
   * are not inherited: what they ask for is decided in {@link ExchangeSettings}, in one place.
   */
  static final class Transport {
    private static final String MODULE = "finetune";

    private Transport() {}

    static TransportConf conf(ExchangeSettings settings) {
      Map<String, String> conf = new HashMap<>();
      String io = "spark." + MODULE + ".io.";
      conf.put(io + "serverThreads", Integer.toString(settings.threads()));
      conf.put(io + "clientThreads", Integer.toString(settings.threads()));
      conf.put(io + "connectionCreationTimeout", seconds(settings.connectTimeout()));
      // A quiet connection is noticed by pings; the transport's own check stays behind them.
      conf.put(io + "connectionTimeout", seconds(settings.peerTimeout().multipliedBy(2)));
      conf.put("spark.network.auth.rpcTimeout", seconds(settings.connectTimeout()));
      boolean encrypt = settings.encryption() == ExchangeSettings.Encryption.ON;
      conf.put("spark.network.crypto.enabled", Boolean.toString(encrypt));
      conf.put("spark.network.crypto.saslFallback", "false");
      conf.put("spark.network.crypto.authEngineVersion", "2");
      return new TransportConf(MODULE, new MapConfigProvider(conf));
    }

    private static String seconds(Duration duration) {
      return Math.max(1, duration.toSeconds()) + "s";
    }
  }
}
