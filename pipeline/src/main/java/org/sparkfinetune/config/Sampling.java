package org.sparkfinetune.config;

import java.util.List;
import org.sparkfinetune.config.TrainConfig.DeviceChoice;

/** How tokens are chosen and where an answer ends; transformers' names. */
public record Sampling(
    @Key(otherwise = "512", doc = "at most so many tokens an answer") int maxNewTokens,
    @Key(otherwise = "false", doc = "draw tokens; false: the most likely one") boolean doSample,
    @Key(
            otherwise = "0.6",
            range = "(0,)",
            doc = "with do_sample: below 1 sharper, above 1 flatter")
        double temperature,
    @Key(
            otherwise = "0.9",
            range = "(0,1]",
            doc = "with do_sample: the likeliest tokens that make up this share")
        double topP,
    @Key(otherwise = "0", range = "[0,)", doc = "with do_sample: so many likeliest tokens; 0: all")
        int topK,
    @Key(otherwise = "1", range = "(0,)", doc = "above 1: tokens seen before are less likely")
        double repetitionPenalty,
    @Key(
            otherwise = Key.EMPTY,
            allowed = "texts that end an answer",
            doc = "texts that end an answer, beside the end-of-text and end-of-turn tokens")
        List<String> stop,
    @Key(otherwise = "42", range = "[0,)", doc = "with do_sample") long seed,
    @Key(
            otherwise = "32",
            doc =
                "answers that a task decodes together, if heap or GPU have room for keys and values of"
                    + " so many")
        int batchSize,
    @Key(
            otherwise = "auto",
            doc = "where executors decode; auto: on the GPU that Spark gave the task, if any")
        DeviceChoice device,
    @Key(
            otherwise = "true",
            doc =
                "false: activations in float32; true: in bfloat16 on a GPU and, with a batch_size of 8"
                    + " or more, for rows on processors that compute in it")
        boolean bf16) {
  public Sampling {
    KeyTable.check(
        Sampling.class,
        maxNewTokens,
        doSample,
        temperature,
        topP,
        topK,
        repetitionPenalty,
        stop,
        seed,
        batchSize,
        device,
        bf16);
    stop = List.copyOf(stop);
  }

  /** The most likely token each time. */
  public static Sampling greedy(int maxNewTokens, int batchSize) {
    return new Sampling(
        maxNewTokens, false, 0.6, 0.9, 0, 1, List.of(), 42, batchSize, DeviceChoice.AUTO, true);
  }
}
