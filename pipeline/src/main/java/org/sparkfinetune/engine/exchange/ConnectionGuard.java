package org.sparkfinetune.engine.exchange;

import io.netty.buffer.ByteBuf;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.ChannelPipeline;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.spark.network.client.RpcResponseCallback;
import org.apache.spark.network.client.StreamCallbackWithID;
import org.apache.spark.network.client.TransportClient;
import org.apache.spark.network.protocol.Message;
import org.apache.spark.network.protocol.RpcRequest;
import org.apache.spark.network.protocol.UploadStream;
import org.apache.spark.network.server.RpcHandler;
import org.apache.spark.network.server.StreamManager;
import org.apache.spark.network.server.TransportServerBootstrap;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What stands between the port and the exchange. Spark's bootstrap checks the secret; this adds
 * what it leaves open: streams are served by the transport without asking for authentication, a
 * stranger may send without end or hold connections for ever, and each of its mistakes is logged
 * with a stack trace. Here a connection has a few kilobytes and a few seconds to prove itself,
 * there are only so many such connections, and refusals make one log line, not one each.
 */
final class ConnectionGuard implements TransportServerBootstrap {
  private static final Logger LOG = LoggerFactory.getLogger(ConnectionGuard.class);
  private static final int MAX_UNAUTHENTICATED = 256;
  private static final int MAX_BYTES = 64 * 1024;
  private static final long QUIET_NANOS = TimeUnit.SECONDS.toNanos(30);

  private final TransportServerBootstrap authentication;
  private final Duration timeout;
  private final AtomicInteger unauthenticated = new AtomicInteger();
  private final Object logLock = new Object();
  private long lastLogged = System.nanoTime() - QUIET_NANOS;
  private long unlogged;

  ConnectionGuard(TransportServerBootstrap authentication, Duration timeout) {
    this.authentication = authentication;
    this.timeout = timeout;
  }

  @Override
  public RpcHandler doBootstrap(Channel channel, RpcHandler exchange) {
    GuardedConnection connection = new GuardedConnection(channel);
    RpcHandler behindLock = new AdmittingHandler(exchange, connection);
    RpcHandler lock = authentication.doBootstrap(channel, behindLock);
    return new GuardedHandler(lock, connection);
  }

  /** One connection and whether it has shown the secret. Used by its channel's thread only. */
  final class GuardedConnection {
    private final Channel channel;
    private final Limits limits = new Limits(this);
    private boolean admitted;
    private boolean counted = true;

    GuardedConnection(Channel channel) {
      this.channel = channel;
      channel.pipeline().addFirst("gate", limits);
      ChannelFuture unused = channel.closeFuture().addListener(closed -> uncount());
      ScheduledFuture<?> unusedAlarm =
          channel
              .eventLoop()
              .schedule(
                  () -> {
                    if (!admitted && channel.isOpen()) {
                      refuse("it did not authenticate in " + timeout.toMillis() / 1000.0 + " s");
                    }
                  },
                  timeout.toMillis(),
                  TimeUnit.MILLISECONDS);
      if (unauthenticated.incrementAndGet() > MAX_UNAUTHENTICATED) {
        refuse("there are too many connections that have not authenticated");
      }
    }

    boolean isAdmitted() {
      return admitted;
    }

    /** Called by the first message that came through the authentication. */
    void admit() {
      if (!admitted) {
        admitted = true;
        uncount();
        limits.remove(channel.pipeline());
      }
    }

    void refuse(String why) {
      if (channel.isOpen()) {
        log(channel.remoteAddress() + ": " + why);
        ChannelFuture unused = channel.close();
      }
    }

    private void uncount() {
      if (counted) {
        counted = false;
        unauthenticated.decrementAndGet();
      }
    }
  }

  private void log(String refusal) {
    synchronized (logLock) {
      if (System.nanoTime() - lastLogged < QUIET_NANOS) {
        unlogged++;
        return;
      }
      LOG.warn(
          "Refused a connection to the exchange from {}{}",
          refusal,
          unlogged == 0 ? "" : " (and " + unlogged + " others since the last such line)");
      lastLogged = System.nanoTime();
      unlogged = 0;
    }
  }

  /** Counts raw bytes before authentication. */
  private static final class Limits extends ChannelInboundHandlerAdapter {
    private static final String TRANSPORT = "handler";
    private static final String FILTER = "gate-filter";

    private final GuardedConnection connection;
    private int bytes;

    Limits(GuardedConnection connection) {
      this.connection = connection;
    }

    @Override
    public void channelActive(ChannelHandlerContext context) throws Exception {
      if (context.pipeline().get(TRANSPORT) == null) {
        connection.refuse("this version of Spark's transport has no handler named " + TRANSPORT);
        return;
      }
      context.pipeline().addBefore(TRANSPORT, FILTER, new Filter(connection));
      super.channelActive(context);
    }

    @Override
    public void channelRead(ChannelHandlerContext context, Object message) throws Exception {
      if (message instanceof ByteBuf received) {
        bytes += received.readableBytes();
        if (bytes > MAX_BYTES) {
          received.release();
          connection.refuse("it sent more than " + MAX_BYTES + " bytes without authenticating");
          return;
        }
      }
      super.channelRead(context, message);
    }

    void remove(ChannelPipeline pipeline) {
      pipeline.remove(this);
      pipeline.remove(FILTER);
    }
  }

  /**
   * Lets nothing but requests through to the transport, which hands those to the authentication:
   * streams, chunks and uploads need an admitted connection. Errors end here, out of the log.
   */
  private static final class Filter extends ChannelInboundHandlerAdapter {
    private final GuardedConnection connection;

    Filter(GuardedConnection connection) {
      this.connection = connection;
    }

    @Override
    public void channelRead(ChannelHandlerContext context, Object message) throws Exception {
      if (message instanceof RpcRequest) {
        super.channelRead(context, message);
      } else {
        release(message);
        connection.refuse(
            "it sent a " + message.getClass().getSimpleName() + " before anything else");
      }
    }

    private static void release(Object message) {
      if (message instanceof UploadStream upload) {
        upload.meta.release();
      } else if (message instanceof Message other && other.body() != null) {
        other.body().release();
      }
    }

    @Override
    public void exceptionCaught(ChannelHandlerContext context, Throwable cause) {
      connection.refuse("it sent what is no message (" + cause + ")");
    }
  }

  /** Behind the authentication: whatever gets here has shown the secret. */
  static final class AdmittingHandler extends RpcHandler {
    private final RpcHandler exchange;
    private final ConnectionGuard.GuardedConnection connection;

    AdmittingHandler(RpcHandler exchange, ConnectionGuard.GuardedConnection connection) {
      this.exchange = exchange;
      this.connection = connection;
    }

    @Override
    public void receive(TransportClient client, ByteBuffer message, RpcResponseCallback callback) {
      connection.admit();
      exchange.receive(client, message, callback);
    }

    @Override
    public StreamCallbackWithID receiveStream(
        TransportClient client, ByteBuffer head, RpcResponseCallback callback) {
      connection.admit();
      return exchange.receiveStream(client, head, callback);
    }

    @Override
    public StreamManager getStreamManager() {
      return exchange.getStreamManager();
    }
  }

  /** In front of the authentication, one for each connection: a failed handshake ends it. */
  static final class GuardedHandler extends RpcHandler {
    private final RpcHandler lock;
    private final ConnectionGuard.GuardedConnection connection;

    GuardedHandler(RpcHandler lock, ConnectionGuard.GuardedConnection connection) {
      this.lock = lock;
      this.connection = connection;
    }

    @Override
    public void receive(TransportClient client, ByteBuffer message, RpcResponseCallback callback) {
      if (connection.isAdmitted()) {
        lock.receive(client, message, callback);
        return;
      }
      try {
        lock.receive(client, message, new RefusingCallback(callback));
      } catch (RuntimeException e) {
        connection.refuse("it does not know the run's secret (" + e + ")");
      }
    }

    @Override
    public StreamCallbackWithID receiveStream(
        TransportClient client, ByteBuffer head, RpcResponseCallback callback) {
      return lock.receiveStream(client, head, callback);
    }

    @Override
    public StreamManager getStreamManager() {
      return lock.getStreamManager();
    }

    /** The handshake reports a wrong secret by its callback and closes without a word. */
    private final class RefusingCallback implements RpcResponseCallback {
      private final RpcResponseCallback callback;

      RefusingCallback(RpcResponseCallback callback) {
        this.callback = callback;
      }

      @Override
      public void onSuccess(ByteBuffer response) {
        callback.onSuccess(response);
      }

      @Override
      public void onFailure(Throwable cause) {
        callback.onFailure(cause);
        if (!connection.isAdmitted()) {
          connection.refuse("it does not know the run's secret (" + cause + ")");
        }
      }
    }
  }
}
