package org.sparkfinetune.data.tokenize;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.Test;
import org.sparkfinetune.store.Store;
import org.sparkfinetune.testing.Fuzz;
import org.sparkfinetune.testing.Fuzz.Share;

/** Tokenizer files go on into a library of native code, which must not take the JVM with it. */
final class TokenizerFuzzTest {
  private static final Path MODEL = Path.of("../jobs/sample/model").toAbsolutePath();

  /** All kinds of things that a tokenizer can have, in a few lines, so that damage hits them. */
  private static final String SMALL =
      """
      {"version":"1.0","truncation":null,"padding":null,
       "added_tokens":[{"id":7,"content":"<eos>","single_word":false,"lstrip":false,"rstrip":false,\
      "normalized":false,"special":true}],
       "normalizer":{"type":"Sequence","normalizers":[{"type":"NFC"},{"type":"Replace",\
      "pattern":{"Regex":" +"},"content":" "}]},
       "pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":\
      {"Regex":"\\\\p{N}{1,3}| ?\\\\p{L}+|\\\\s+(?!\\\\S)"},"behavior":"Isolated","invert":false},\
      {"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":false}]},
       "post_processor":{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":false},
       "decoder":{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true},
       "model":{"type":"BPE","dropout":null,"unk_token":null,"continuing_subword_prefix":null,\
      "end_of_word_suffix":null,"fuse_unk":false,"byte_fallback":false,"ignore_merges":true,
       "vocab":{"a":0,"b":1,"c":2,"1":3,"\u0120":4,"ab":5,"abc":6},
       "merges":["a b","ab c"]}}
      """;

  private static void use(Map<String, String> texts) {
    try (LlamaTokenizer tokenizer =
        LlamaTokenizer.of(new TokenizerFiles("folder", new TreeMap<>(texts)))) {
      int[] ids = tokenizer.encode("abc  cab 1234 <eos>\u00e9");
      tokenizer.decode(ids);
      tokenizer.eosId();
      tokenizer.files().chatTemplates();
    }
  }

  @Test
  void a_damaged_tokenizer_is_used_or_refused() throws Exception {
    Fuzz.run(
        SMALL.getBytes(StandardCharsets.UTF_8),
        Share.ALL,
        input -> use(Map.of("tokenizer.json", new String(input, StandardCharsets.UTF_8))));
  }

  @Test
  void damaged_files_beside_a_tokenizer_are_used_or_refused() throws Exception {
    Map<String, String> texts =
        TokenizerFiles.load(
                new org.apache.hadoop.fs.Path(MODEL.toUri()), new Store(new Configuration(false)))
            .texts();
    Fuzz.run(
        Files.readAllBytes(MODEL.resolve("tokenizer_config.json")),
        Share.TENTH,
        input -> {
          Map<String, String> damaged = new TreeMap<>(texts);
          damaged.put("tokenizer_config.json", new String(input, StandardCharsets.UTF_8));
          use(damaged);
        });
  }
}
