package org.sparkfinetune.exchange;

import java.nio.ByteBuffer;
import org.apache.spark.network.buffer.ManagedBuffer;
import org.apache.spark.network.client.RpcResponseCallback;
import org.apache.spark.network.client.StreamCallbackWithID;
import org.apache.spark.network.client.TransportClient;
import org.apache.spark.network.server.RpcHandler;
import org.apache.spark.network.server.StreamManager;
import org.jspecify.annotations.Nullable;

/** In front of the authentication, one for each connection: refuses all but the handshake. */
final class GuardedHandler extends RpcHandler {
  private final RpcHandler lock;
  private final RpcHandler exchange;
  private final Gate.Visitor visitor;

  GuardedHandler(RpcHandler lock, RpcHandler exchange, Gate.Visitor visitor) {
    this.lock = lock;
    this.exchange = exchange;
    this.visitor = visitor;
  }

  @Override
  public void receive(TransportClient client, ByteBuffer message, RpcResponseCallback callback) {
    try {
      lock.receive(client, message, new RefusingCallback(callback));
    } catch (RuntimeException e) {
      if (visitor.isAdmitted()) {
        throw e;
      }
      visitor.refuse("it does not know the run's secret (" + e + ")");
    }
  }

  @Override
  public void receive(TransportClient client, ByteBuffer message) {
    visitor.refuse("it sent a one-way message");
  }

  @Override
  public StreamCallbackWithID receiveStream(
      TransportClient client, ByteBuffer head, RpcResponseCallback callback) {
    if (visitor.isAdmitted()) {
      return lock.receiveStream(client, head, callback);
    }
    visitor.refuse("it uploads without having authenticated");
    return new Discarding();
  }

  @Override
  public StreamManager getStreamManager() {
    return new GuardedStreams(exchange.getStreamManager(), visitor);
  }

  @Override
  public MergedBlockMetaReqHandler getMergedBlockMetaReqHandler() {
    return (client, request, callback) -> visitor.refuse("it asked for merged shuffle blocks");
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
      if (!visitor.isAdmitted()) {
        visitor.refuse("it does not know the run's secret (" + cause + ")");
      }
    }
  }

  private static final class GuardedStreams extends StreamManager {
    private final StreamManager streams;
    private final Gate.Visitor visitor;

    GuardedStreams(StreamManager streams, Gate.Visitor visitor) {
      this.streams = streams;
      this.visitor = visitor;
    }

    @Override
    public @Nullable ManagedBuffer openStream(String id) {
      if (visitor.isAdmitted()) {
        return streams.openStream(id);
      }
      visitor.refuse("it asked for a stream without having authenticated");
      return null;
    }

    @Override
    public ManagedBuffer getChunk(long streamId, int chunk) {
      visitor.refuse("it asked for a chunk");
      throw new UnsupportedOperationException("The exchange has no chunks.");
    }
  }

  private static final class Discarding implements StreamCallbackWithID {
    @Override
    public String getID() {
      return "refused";
    }

    @Override
    public void onData(String id, ByteBuffer bytes) {}

    @Override
    public void onComplete(String id) {}

    @Override
    public void onFailure(String id, Throwable cause) {}
  }
}
