package org.sparkfinetune.engine.exchange;

import java.nio.ByteBuffer;
import org.apache.spark.network.client.RpcResponseCallback;
import org.apache.spark.network.client.StreamCallbackWithID;
import org.apache.spark.network.client.TransportClient;
import org.apache.spark.network.server.RpcHandler;
import org.apache.spark.network.server.StreamManager;

/** Behind the authentication: whatever gets here has shown the secret. */
final class AdmittingHandler extends RpcHandler {
  private final RpcHandler exchange;
  private final Gate.Visitor visitor;

  AdmittingHandler(RpcHandler exchange, Gate.Visitor visitor) {
    this.exchange = exchange;
    this.visitor = visitor;
  }

  @Override
  public void receive(TransportClient client, ByteBuffer message, RpcResponseCallback callback) {
    visitor.admit();
    exchange.receive(client, message, callback);
  }

  @Override
  public StreamCallbackWithID receiveStream(
      TransportClient client, ByteBuffer head, RpcResponseCallback callback) {
    visitor.admit();
    return exchange.receiveStream(client, head, callback);
  }

  @Override
  public StreamManager getStreamManager() {
    return exchange.getStreamManager();
  }
}
