package org.sparkfinetune.engine.exchange;

import static org.assertj.core.api.Assertions.assertThat;

import io.netty.channel.embedded.EmbeddedChannel;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.apache.spark.network.buffer.ManagedBuffer;
import org.apache.spark.network.client.RpcResponseCallback;
import org.apache.spark.network.client.TransportClient;
import org.apache.spark.network.client.TransportResponseHandler;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sparkfinetune.engine.exchange.ExchangeStats.Counters;
import org.sparkfinetune.engine.exchange.NetworkEndpoint.Transport;

class PeerRequestHandlerTest {
  @TempDir Path folder;

  /** As fast as a peer can be: it reads while its question is being answered. */
  @Test
  void a_peer_that_asked_before_the_shard_is_served_reads_it_as_soon_as_it_is_told()
      throws IOException {
    PeerRequestHandler handler =
        new PeerRequestHandler(
            Transport.conf(Groups.QUICK),
            1,
            2,
            new BufferPool(0),
            new BorrowedMemory(),
            new Counters());
    List<ManagedBuffer> read = new ArrayList<>();
    List<Throwable> failures = new ArrayList<>();
    handler.receive(
        client(),
        new Request.Describe(0).encoded(),
        new RpcResponseCallback() {
          @Override
          public void onSuccess(ByteBuffer description) {
            try {
              read.add(handler.getStreamManager().openStream("frozen/1/2"));
            } catch (RuntimeException e) {
              failures.add(e);
            }
          }

          @Override
          public void onFailure(Throwable error) {
            failures.add(error);
          }
        });
    assertThat(read).isEmpty();
    Path file = Files.write(folder.resolve("shard"), new byte[] {1, 2, 3, 4});
    handler.serve(ShardOffer.of(Shard.file(file)));
    assertThat(failures).isEmpty();
    assertThat(read).hasSize(1);
    assertThat(ExchangeContractTest.array(read.get(0).nioByteBuffer())).containsExactly(2, 3);
  }

  private static TransportClient client() {
    EmbeddedChannel channel = new EmbeddedChannel();
    return new TransportClient(channel, new TransportResponseHandler(channel));
  }
}
