package org.sparkfinetune.inference.generate;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Random;
import org.junit.jupiter.api.Test;
import org.sparkfinetune.model.family.DecoderConfig;
import org.sparkfinetune.model.family.DecoderConfigReader;

final class KeyValueCacheTest {
  /** Two layers, three key heads of forty elements: a panel and a part of one. */
  private static final DecoderConfig CONFIG =
      DecoderConfigReader.read(
          """
          {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 240,
           "num_hidden_layers": 2, "num_attention_heads": 6, "num_key_value_heads": 3,
           "head_dim": 40, "intermediate_size": 64, "vocab_size": 32, "rms_norm_eps": 1e-5,
           "max_position_embeddings": 1024, "tie_word_embeddings": true}
          """,
          "config.json");

  private static final int WIDTH = 120;

  private static float[] numbers(int seed, int layer, int position) {
    Random random = new Random(31L * (31L * seed + layer) + position);
    float[] numbers = new float[WIDTH];
    for (int i = 0; i < WIDTH; i++) {
      numbers[i] = random.nextFloat();
    }
    return numbers;
  }

  private static void read(KeyValueCache cache, int seed, int positions) {
    cache.reserve(positions);
    for (int position = cache.length(); position < cache.length() + positions; position++) {
      for (int layer = 0; layer < 2; layer++) {
        float[] key = numbers(seed, layer, position);
        cache.put(layer, position, key, numbers(-seed, layer, position), 0);
      }
    }
    cache.advance(positions);
  }

  private static void assertHolds(KeyValueCache cache, int seed, int from, int to) {
    for (int position = from; position < to; position++) {
      for (int layer = 0; layer < 2; layer++) {
        for (int i = 0; i < WIDTH; i++) {
          int head = i / 40;
          int key =
              cache.keysAt(position / Kernels.PANEL, head)
                  + i % 40 * Kernels.PANEL
                  + position % Kernels.PANEL;
          int value =
              cache.valuesAt(head, i % 40 / Kernels.PANEL, position) + i % 40 % Kernels.PANEL;
          assertThat(cache.keys(layer)[key]).isEqualTo(numbers(seed, layer, position)[i]);
          assertThat(cache.values(layer)[value]).isEqualTo(numbers(-seed, layer, position)[i]);
        }
      }
    }
  }

  @Test
  void holds_what_was_put_however_it_grew() {
    KeyValueCache cache = new KeyValueCache(CONFIG);
    for (int some : new int[] {5, 1, 40, 1, 200}) {
      read(cache, 1, some);
    }
    assertThat(cache.length()).isEqualTo(247);
    assertHolds(cache, 1, 0, 247);
  }

  @Test
  void a_beginning_goes_on_by_itself() {
    KeyValueCache first = new KeyValueCache(CONFIG);
    read(first, 1, 70);
    KeyValueCache second = new KeyValueCache(CONFIG);
    second.beginAs(first, 45);
    read(second, 2, 60);
    read(first, 1, 10);

    assertThat(second.length()).isEqualTo(105);
    assertHolds(second, 1, 0, 45);
    assertHolds(second, 2, 45, 105);
    assertHolds(first, 1, 0, 80);
  }

  @Test
  void its_bytes_are_those_of_its_arrays() {
    KeyValueCache cache = new KeyValueCache(CONFIG);
    read(cache, 1, 64);
    long bytes = 0;
    for (int layer = 0; layer < 2; layer++) {
      bytes += 4L * (cache.keys(layer).length + cache.values(layer).length);
    }
    assertThat(KeyValueCache.bytes(CONFIG) * 64).isEqualTo(bytes);
  }
}
