package org.sparkfinetune.data.jinja;

import java.util.Optional;

/** What a template sees as {@code bos_token} and {@code eos_token}; undefined there when empty. */
public record SpecialTokens(Optional<String> bos, Optional<String> eos) {
  public static SpecialTokens of(String bos, String eos) {
    return new SpecialTokens(Optional.of(bos), Optional.of(eos));
  }

  public static SpecialTokens none() {
    return new SpecialTokens(Optional.empty(), Optional.empty());
  }
}
