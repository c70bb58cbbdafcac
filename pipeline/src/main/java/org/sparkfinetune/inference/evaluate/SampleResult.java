package org.sparkfinetune.inference.evaluate;

import java.util.Optional;

/**
 * What a model made of one sample; of each metric only if it was asked for.
 *
 * @param loss over the sample's trained tokens
 */
public record SampleResult(
    Optional<Mean.Part> loss,
    Optional<String> generated,
    boolean exact,
    boolean normalised,
    Optional<Verdict> verdict) {}
