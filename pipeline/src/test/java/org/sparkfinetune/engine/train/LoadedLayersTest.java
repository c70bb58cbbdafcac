package org.sparkfinetune.engine.train;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

class LoadedLayersTest {
  private final AtomicInteger told = new AtomicInteger();
  private final LoadedLayers weights =
      new LoadedLayers((name, first, out, count) -> {}, told::incrementAndGet);

  @Test
  void a_layer_is_loaded_when_the_next_one_begins_and_is_told_once() {
    read("model.embed_tokens.weight");
    read("model.layers.0.input_layernorm.weight");
    read("model.layers.0.mlp.up_proj.weight");
    assertThat(told).hasValue(0);
    read("model.layers.1.input_layernorm.weight");
    read("model.layers.0.input_layernorm.weight");
    read("model.layers.1.mlp.up_proj.weight");
    assertThat(told).hasValue(1);
    read("model.norm.weight");
    weights.all(2);
    weights.all(2);
    assertThat(told).hasValue(2);
  }

  @Test
  void what_an_earlier_run_kept_is_loaded_at_once() {
    weights.all(32);
    assertThat(told).hasValue(32);
  }

  private void read(String name) {
    weights.read(name, 0, new float[1], 1);
  }
}
