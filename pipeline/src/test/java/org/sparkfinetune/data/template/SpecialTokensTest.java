package org.sparkfinetune.data.template;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.assertj.core.api.InstanceOfAssertFactories;
import org.junit.jupiter.api.Test;
import org.sparkfinetune.data.template.ChatTemplate.SpecialTokens;

class SpecialTokensTest {
  /** Packed rows are called by a hash of the tokens, and a run resumes in another process. */
  @Test
  void their_order_is_the_same_in_every_process() {
    Map<String, String> tokens = new HashMap<>();
    for (String name : "sep pad eos unk bos cls mask audio image".split(" ")) {
      tokens.put(name + "_token", "<" + name + ">");
    }
    assertThat(new SpecialTokens(Optional.empty(), Optional.empty(), tokens).byName())
        .isEqualTo(tokens)
        .extracting(byName -> List.copyOf(byName.keySet()))
        .asInstanceOf(InstanceOfAssertFactories.list(String.class))
        .isSorted();
  }
}
