package org.sparkfinetune.model.peft;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.sparkfinetune.errors.UserError;

final class ModulePatternTest {
  private static final String Q1 = "model.layers.1.self_attn.q_proj";

  @ParameterizedTest
  @ValueSource(
      strings = {
        ".*q_proj",
        "model\\.layers\\.\\d{1,2}\\.self_attn\\.(q|k)_proj",
        "(?:.*\\.)?layers\\.[^02-9]\\..*",
        "(?i)MODEL.*",
        "model(?=\\.layers).*(?<!k)_proj",
        "[a-z_0-9.]+?",
        ".*\\bq_proj\\Z",
      })
  void what_python_and_java_read_alike_matches(String text) {
    assertThat(ModulePattern.compile("k", text).matcher(Q1).matches()).isTrue();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "[a-z&&[^k]]+",
        "[a[b]]",
        "[]a]",
        "[^]a]",
        "\\p{Lower}+",
        "\\Qmodel\\E.*",
        "\\h",
        "model\\v",
        "\\0101",
        "(?P<x>.*)",
        "(?<x>.*)",
        "(x)(?(1)a|b)",
        "a{,3}",
        "model{layers}",
        ".*(q_proj",
        "*",
        "a\\",
      })
  void what_the_two_read_differently_or_not_at_all_is_refused(String text) {
    assertThatThrownBy(() -> ModulePattern.compile("rank_pattern", text))
        .isInstanceOf(UserError.class)
        .hasMessageStartingWith("rank_pattern: '" + text + "' is no regular expression that");
  }

  @Test
  void patterns_match_the_last_parts_of_names() {
    for (String text : new String[] {"q_proj", "self_attn.q_proj", "[qk]_proj", "1.*q_proj"}) {
      assertThat(ModulePattern.compileLastParts("k", text).matcher(Q1).matches()).isTrue();
    }
    for (String text : new String[] {"proj", "attn.q_proj", "self_attn", "q"}) {
      assertThat(ModulePattern.compileLastParts("k", text).matcher(Q1).matches()).isFalse();
    }
  }
}
