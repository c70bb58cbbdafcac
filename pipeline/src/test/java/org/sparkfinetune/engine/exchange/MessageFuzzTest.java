package org.sparkfinetune.engine.exchange;

import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.sparkfinetune.engine.exchange.Shard.FileRange;
import org.sparkfinetune.engine.exchange.ShardOffer.OfferCodec;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.testing.Fuzz;
import org.sparkfinetune.testing.Fuzz.Share;

class MessageFuzzTest {

  /** What the request handler makes of the codecs' refusals. */
  private static void decoded(Runnable decode) {
    try {
      decode.run();
    } catch (IllegalArgumentException e) {
      throw new RunFailure(String.valueOf(e.getMessage()), e);
    }
  }

  @Test
  void a_damaged_message_is_read_or_refused() throws Exception {
    List<Request> requests =
        List.of(
            new Request.Hello(1, 2),
            new Request.Push(1, "gradients/layers.0", 7, 1 << 20),
            new Request.Await(1, "parameters/layers.0", 7),
            new Request.Abort(1, "out of memory"));
    for (Request request : requests) {
      Fuzz.run(
          request.encoded().array(),
          Share.ALL,
          input -> decoded(() -> Request.decoded(ByteBuffer.wrap(input))));
    }
  }

  @Test
  void a_damaged_description_of_a_shard_is_read_or_refused() throws Exception {
    Path file = Path.of("/tmp/shard");
    Map<Path, String> identities = new LinkedHashMap<>(Map.of(file, "inode 7"));
    ShardOffer offer =
        new ShardOffer(
            new Shard(List.of(new FileRange(file, 0, 64), new FileRange(file, 128, 64))),
            identities,
            Optional.empty());
    Fuzz.run(
        OfferCodec.encode(offer).array(),
        Share.ALL,
        input -> decoded(() -> OfferCodec.decode(ByteBuffer.wrap(input))));
  }
}
