package org.sparkfinetune.spark.tokenize;

import java.util.Optional;
import org.apache.hadoop.fs.Path;

/**
 * Packed rows on shared storage: {@code train-*.parquet} and, where there is a test split, {@code
 * test-*.parquet}.
 *
 * @param hash of everything that shaped the rows
 */
public record TokenizedDataset(
    Path path, String hash, TokenizedSplit train, Optional<TokenizedSplit> test) {}
