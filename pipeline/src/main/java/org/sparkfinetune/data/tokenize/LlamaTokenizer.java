package org.sparkfinetune.data.tokenize;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.stream.IntStream;
import org.apache.hadoop.fs.Path;
import org.jspecify.annotations.Nullable;
import org.sparkfinetune.data.template.ChatTemplate.SpecialTokens;
import org.sparkfinetune.data.tokenize.NativeTokenizer.Encoded;
import org.sparkfinetune.data.tokenize.SpecialTokenFinder.Match;
import org.sparkfinetune.data.tokenize.TokenizerJson.SpecialToken;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.store.Store;

/**
 * The tokenizer of a Llama model ({@code tokenizer.json}, as Hugging Face's tokenizers library
 * reads it). Adds no token by itself: BOS and EOS come from the chat template. Safe for use by
 * several threads.
 */
public final class LlamaTokenizer implements AutoCloseable {
  private final TokenizerFiles files;
  private final SpecialTokens specialTokens;
  private final byte[] edited;
  private final NativeTokenizer whole;
  private final List<SpecialToken> special = new ArrayList<>();
  private final BitSet specialIds = new BitSet();
  private final Map<String, Integer> idsOfAdded = new HashMap<>();
  private final SpecialTokenFinder finder;
  private final Optional<WordEncoder> words;
  private final int vocabularySize;

  /** Made when the first content looks like a special token; most data sets never need it. */
  private @Nullable PlainText plain;

  private LlamaTokenizer(TokenizerFiles files) {
    this.files = files;
    this.specialTokens = files.specialTokens();
    TokenizerJson json = TokenizerJson.read(files);
    edited = json.edited();
    whole = new NativeTokenizer(files.folder(), edited);
    readAddedTokens(json);
    finder = new SpecialTokenFinder(special);
    words = WordEncoder.of(json, whole);
    vocabularySize = json.largestId() + 1;
  }

  /**
   * @throws UserError if the folder holds no usable {@code tokenizer.json}
   */
  public static LlamaTokenizer load(Path folder, Store store) {
    return of(TokenizerFiles.load(folder, store));
  }

  public static LlamaTokenizer of(TokenizerFiles files) {
    return new LlamaTokenizer(files);
  }

  private void readAddedTokens(TokenizerJson json) {
    for (JsonNode token : json.addedTokens()) {
      int id = token.path("id").asInt();
      String text = token.path("content").asText();
      idsOfAdded.put(text, id);
      if (token.path("special").asBoolean()) {
        boolean before = token.path("lstrip").asBoolean();
        boolean after = token.path("rstrip").asBoolean();
        special.add(new SpecialToken(id, text, before, after));
        // Plain text may well become the unknown token.
        specialIds.set(id, !text.equals(json.unknownToken()));
      }
    }
  }

  public TokenizerFiles files() {
    return files;
  }

  /** BOS and EOS, as templates see them. */
  public SpecialTokens specialTokens() {
    return specialTokens;
  }

  /** The largest id plus one: the least number of rows that an embedding must have. */
  public int vocabularySize() {
    return vocabularySize;
  }

  /** The id of an added token (special ones are among them); empty for any other text. */
  public OptionalInt idOf(String addedToken) {
    Integer id = idsOfAdded.get(addedToken);
    return id == null ? OptionalInt.empty() : OptionalInt.of(id);
  }

  public OptionalInt eosId() {
    return specialTokens().eos().map(this::idOf).orElse(OptionalInt.empty());
  }

  /** What fills rows: the pad token if there is one, else EOS, else 0. It is never trained. */
  public int padId() {
    return files.padId();
  }

  /** Ids of a text in which special tokens count as such; none is added. */
  public int[] encode(String text) {
    return whole.ids(text);
  }

  /** The text of ids, special tokens included. */
  public String decode(int... ids) {
    return whole.decode(IntStream.of(ids).asLongStream().toArray());
  }

  /**
   * Of a text in which special tokens count as such.
   *
   * @param special {@link #specialTokensIn} the text
   * @param withEnds whether anybody looks at the ends; they may be missing otherwise
   */
  Encoded encode(String text, List<Match> special, boolean withEnds) {
    return words
        .flatMap(encoder -> encoder.encode(text, special))
        .orElseGet(() -> withEnds ? whole.encode(text) : new Encoded(whole.ids(text), new int[0]));
  }

  List<Match> specialTokensIn(String text) {
    return finder.find(text);
  }

  /** Whether the id is that of a special token; the unknown token is none. */
  public boolean isSpecial(int id) {
    return specialIds.get(id);
  }

  synchronized PlainText plain() {
    PlainText made = plain;
    if (made == null) {
      made = new PlainText(files.folder(), edited, whole);
      plain = made;
    }
    return made;
  }

  @Override
  public synchronized void close() {
    whole.close();
    if (plain != null) {
      plain.close();
    }
  }
}
