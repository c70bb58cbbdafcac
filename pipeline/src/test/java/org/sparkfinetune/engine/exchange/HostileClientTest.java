package org.sparkfinetune.engine.exchange;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.sparkfinetune.engine.exchange.ExchangeContractTest.array;
import static org.sparkfinetune.engine.exchange.ExchangeContractTest.direct;

import java.io.IOException;
import java.io.OutputStream;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import org.apache.spark.network.TransportContext;
import org.apache.spark.network.buffer.NioManagedBuffer;
import org.apache.spark.network.client.RpcResponseCallback;
import org.apache.spark.network.client.StreamCallback;
import org.apache.spark.network.client.TransportClient;
import org.apache.spark.network.client.TransportClientFactory;
import org.apache.spark.network.crypto.AuthClientBootstrap;
import org.apache.spark.network.server.NoOpRpcHandler;
import org.apache.spark.network.util.TransportConf;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.sparkfinetune.engine.exchange.ExchangeSettings.Encryption;
import org.sparkfinetune.engine.exchange.ExchangeSettings.Mapping;
import org.sparkfinetune.engine.exchange.NetworkEndpoint.PeerAddress;
import org.sparkfinetune.engine.exchange.NetworkEndpoint.Transport;

/** Strangers on the exchange's port get nothing and change nothing. */
class HostileClientTest {
  @TempDir Path folder;
  private List<ProcessGroup> group = List.of();
  private PeerAddress target = new PeerAddress(0, "127.0.0.1", 0);
  private ExchangeSettings settings = Groups.QUICK;

  private void open(Encryption encryption) throws IOException {
    settings =
        Groups.QUICK
            .with(Mapping.NETWORK)
            .with(encryption)
            .withTimeouts(Duration.ofSeconds(1), Duration.ofSeconds(5), Duration.ofSeconds(20));
    Secret secret = Secret.random();
    NetworkEndpoint zero = NetworkEndpoint.open(settings, secret, 0, 2, "127.0.0.1");
    NetworkEndpoint one = NetworkEndpoint.open(settings, secret, 1, 2, "127.0.0.1");
    target = zero.address();
    List<PeerAddress> all = List.of(zero.address(), one.address());
    group = List.of(zero.connect(all), one.connect(all));
    group.get(0).serve(Shard.file(Files.write(folder.resolve("shard"), new byte[] {1, 2, 3})));
    group.get(0).publish("lora", 1, direct(4, 5));
  }

  @AfterEach
  void the_group_still_works() {
    try {
      assertThat(array(group.get(1).await(group.get(1).frozen(0, 0, 3)))).containsExactly(1, 2, 3);
      assertThat(Groups.onAll(group, r -> r.sum("after", 0, new double[] {1})[0]))
          .containsExactly(2.0, 2.0);
      assertThat(group.get(0).failure()).isEmpty();
    } finally {
      Groups.close(group);
    }
  }

  @ParameterizedTest
  @EnumSource
  void without_the_secret_no_request_stream_or_upload_is_served(Encryption encryption)
      throws Exception {
    open(encryption);
    try (Stranger stranger = new Stranger(settings, target)) {
      assertRefused(stranger.request(new Request.Abort(1, "a lie")));
      assertRefused(stranger.stream("frozen/0/3"));
      assertRefused(stranger.stream("published/1/lora"));
      assertRefused(stranger.upload(new Request.Push(1, "sum of after", 0, 8), new byte[8]));
      assertRefused(stranger.request(new Request.Hello(1, 2)));
    }
  }

  @ParameterizedTest
  @EnumSource
  void a_wrong_secret_opens_nothing(Encryption encryption) throws IOException {
    open(encryption);
    TransportConf conf = Transport.conf(settings);
    try (TransportContext context = new TransportContext(conf, new NoOpRpcHandler());
        TransportClientFactory factory =
            context.createClientFactory(
                List.of(new AuthClientBootstrap(conf, Secret.USER, Secret.random().keyHolder())))) {
      assertThatThrownBy(() -> factory.createClient(target.host(), target.port()))
          .isInstanceOfAny(RuntimeException.class, IOException.class);
    }
  }

  @ParameterizedTest
  @EnumSource
  void garbage_closes_the_connection(Encryption encryption) throws IOException {
    open(encryption);
    Random random = new Random(7);
    for (int i = 0; i < 72; i++) {
      byte[] garbage = new byte[random.nextInt(300)];
      random.nextBytes(garbage);
      if (i % 2 == 0 && garbage.length > 12) {
        // A frame of plausible length, so that the message itself is looked at.
        ByteBuffer.wrap(garbage).putLong(0, garbage.length).put(8, (byte) (i % 12));
      }
      send(garbage);
    }
  }

  @ParameterizedTest
  @EnumSource
  void an_endless_message_is_cut_off(Encryption encryption) throws IOException {
    open(encryption);
    try (Socket socket = new Socket(target.host(), target.port())) {
      OutputStream out = socket.getOutputStream();
      out.write(ByteBuffer.allocate(9).putLong(Integer.MAX_VALUE - 8L).put((byte) 3).array());
      assertThatThrownBy(
              () -> {
                for (int i = 0; i < 10_000; i++) {
                  out.write(new byte[8192]);
                }
              })
          .isInstanceOf(IOException.class);
    }
  }

  @ParameterizedTest
  @EnumSource
  void a_thousand_silent_connections_are_closed(Encryption encryption) throws IOException {
    open(encryption);
    List<Socket> sockets = new ArrayList<>();
    try {
      for (int i = 0; i < 1000; i++) {
        Socket socket = new Socket(target.host(), target.port());
        socket.setSoTimeout(10_000);
        sockets.add(socket);
      }
      for (Socket socket : sockets) {
        assertThat(endOf(socket)).isTrue();
      }
    } finally {
      for (Socket socket : sockets) {
        socket.close();
      }
    }
  }

  private static boolean endOf(Socket socket) {
    try {
      return socket.getInputStream().read() < 0;
    } catch (java.net.SocketTimeoutException stillOpen) {
      return false;
    } catch (IOException reset) {
      return true;
    }
  }

  private void send(byte[] bytes) throws IOException {
    try (Socket socket = new Socket(target.host(), target.port())) {
      socket.getOutputStream().write(bytes);
      socket.shutdownOutput();
      socket.setSoTimeout(10_000);
      assertThat(endOf(socket)).isTrue();
    } catch (java.net.SocketException reset) {
      // Closed while we still wrote.
    }
  }

  private static void assertRefused(CompletableFuture<?> answer) {
    assertThatThrownBy(() -> answer.get(5, TimeUnit.SECONDS))
        .isInstanceOf(ExecutionException.class);
  }

  /** Speaks Spark's transport and skips the authentication; a fresh connection for each try. */
  private record Stranger(TransportContext context, TransportClientFactory factory, PeerAddress to)
      implements AutoCloseable {
    Stranger(ExchangeSettings settings, PeerAddress to) {
      this(new TransportContext(Transport.conf(settings), new NoOpRpcHandler()), to);
    }

    private Stranger(TransportContext context, PeerAddress to) {
      this(context, context.createClientFactory(), to);
    }

    private TransportClient client() throws Exception {
      return factory.createUnmanagedClient(to.host(), to.port());
    }

    CompletableFuture<ByteBuffer> request(Request request) throws Exception {
      CompletableFuture<ByteBuffer> answer = new CompletableFuture<>();
      client().sendRpc(request.encoded(), callback(answer));
      return answer;
    }

    CompletableFuture<ByteBuffer> upload(Request.Push head, byte[] bytes) throws Exception {
      CompletableFuture<ByteBuffer> answer = new CompletableFuture<>();
      client()
          .uploadStream(
              new NioManagedBuffer(head.encoded()),
              new NioManagedBuffer(ByteBuffer.wrap(bytes)),
              callback(answer));
      return answer;
    }

    CompletableFuture<String> stream(String id) throws Exception {
      CompletableFuture<String> answer = new CompletableFuture<>();
      client().stream(
          id,
          new StreamCallback() {
            @Override
            public void onData(String stream, ByteBuffer bytes) {
              answer.complete("got " + bytes.remaining() + " bytes");
            }

            @Override
            public void onComplete(String stream) {
              answer.complete("complete");
            }

            @Override
            public void onFailure(String stream, Throwable cause) {
              answer.completeExceptionally(cause);
            }
          });
      return answer;
    }

    private static RpcResponseCallback callback(CompletableFuture<ByteBuffer> answer) {
      return new RpcResponseCallback() {
        @Override
        public void onSuccess(ByteBuffer response) {
          answer.complete(response);
        }

        @Override
        public void onFailure(Throwable cause) {
          answer.completeExceptionally(cause);
        }
      };
    }

    @Override
    public void close() {
      factory.close();
      context.close();
    }
  }
}
