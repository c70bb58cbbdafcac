package org.sparkfinetune.engine.exchange;

import java.nio.ByteBuffer;
import org.apache.spark.network.client.RpcResponseCallback;
import org.apache.spark.network.client.StreamCallbackWithID;
import org.apache.spark.network.client.TransportClient;
import org.apache.spark.network.server.RpcHandler;
import org.apache.spark.network.server.StreamManager;

/** In front of the authentication, one for each connection: a failed handshake ends it. */
final class GuardedHandler extends RpcHandler {
  private final RpcHandler lock;
  private final Gate.Visitor visitor;

  GuardedHandler(RpcHandler lock, Gate.Visitor visitor) {
    this.lock = lock;
    this.visitor = visitor;
  }

  @Override
  public void receive(TransportClient client, ByteBuffer message, RpcResponseCallback callback) {
    if (visitor.isAdmitted()) {
      lock.receive(client, message, callback);
      return;
    }
    try {
      lock.receive(client, message, new RefusingCallback(callback));
    } catch (RuntimeException e) {
      visitor.refuse("it does not know the run's secret (" + e + ")");
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
      if (!visitor.isAdmitted()) {
        visitor.refuse("it does not know the run's secret (" + cause + ")");
      }
    }
  }
}
