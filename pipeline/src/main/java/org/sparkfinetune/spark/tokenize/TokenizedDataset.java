package org.sparkfinetune.spark.tokenize;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.PropertyNamingStrategies;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.Optional;
import org.apache.hadoop.fs.Path;
import org.sparkfinetune.data.tokenize.PackedRows.SourceRows;
import org.sparkfinetune.data.tokenize.Packer.PackingReport;

/**
 * Packed rows on shared storage: {@code train-*.parquet} and, where there is a test split, {@code
 * test-*.parquet}.
 *
 * @param hash of everything that shaped the rows
 */
public record TokenizedDataset(
    Path path, String hash, TokenizedSplit train, Optional<TokenizedSplit> test) {

  /**
   * What a split became.
   *
   * @param trainedTokens tokens that the loss is taken over
   * @param sources of the test split of a mixture, which lie one behind the other; else empty
   */
  public record TokenizedSplit(
      PackingReport packing, long trainedTokens, List<SourceRows> sources) {
    public TokenizedSplit {
      // Null in what earlier versions wrote.
      sources = sources == null ? List.of() : List.copyOf(sources);
    }
  }

  /** See {@link TokenizedSplit#sources}. */
  public List<SourceRows> testSources() {
    return test.map(TokenizedSplit::sources).orElse(List.of());
  }

  /** What tokenising came to, for programs. */
  public static final class TokenizedJson {
    private static final ObjectMapper JSON =
        JsonMapper.builder().propertyNamingStrategy(PropertyNamingStrategies.SNAKE_CASE).build();

    private TokenizedJson() {}

    /** One line: the folder, its hash, and the counts of each split with its fill. */
    public static String of(TokenizedDataset dataset) {
      ObjectNode json = JSON.createObjectNode();
      json.put("path", dataset.path().toString()).put("hash", dataset.hash());
      json.set("train", split(dataset.train()));
      dataset.test().ifPresent(test -> json.set("test", split(test)));
      return json.toString();
    }

    private static ObjectNode split(TokenizedSplit split) {
      ObjectNode json = JSON.valueToTree(split.packing());
      json.put("fill", split.packing().fill());
      json.put("trained_tokens", split.trainedTokens());
      return json;
    }
  }
}
