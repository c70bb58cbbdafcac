package org.sparkfinetune.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.sparkfinetune.config.TrainYaml.REQUIRED;
import static org.sparkfinetune.config.TrainYaml.load;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sparkfinetune.config.ConfigLoader.Loaded;
import org.sparkfinetune.config.TrainConfig.LrSchedulerType;
import org.sparkfinetune.config.TrainConfig.Method;

/** What a configuration is told of keys that mean nothing. */
final class TrainNotesTest {
  @TempDir Path folder;

  @Test
  void a_key_that_goes_unused_is_noted() {
    assertThat(
            load(
                    folder,
                    REQUIRED
                        + """
                        method: full
                        lora_r: 8
                        optim: adamw_torch_fused
                        gradient_checkpointing_kwargs: {use_reentrant: false}
                        fsdp_config: {backward_prefetch: backward_post}
                        packing: false
                        cross_sample_attention: true
                        save_steps: 10
                        eval_steps: 11
                        warmup_steps: 5
                        warmup_ratio: 0.1
                        lr_scheduler_type: linear
                        num_train_epochs: 2
                        max_steps: 9
                        """)
                .notes())
        .containsExactly(
            "fsdp_config.backward_prefetch: backward_post acts as backward_pre; the next layer is"
                + " fetched while one is computed.",
            "gradient_checkpointing_kwargs changes nothing; recomputing is part of the layer loop,"
                + " not of an autograd hook.",
            "optim: adamw_torch_fused is adamw_torch; its operators are the same always.",
            "warmup_ratio is not used, because warmup_steps is 5.",
            "num_train_epochs is not used, because max_steps is given.",
            "save_steps is not used, because save_strategy is not steps.",
            "eval_steps is not used, because eval_strategy is not steps.",
            "lora_r is not used, because method is full.",
            "cross_sample_attention changes nothing, because packing is false.");
  }

  /** {@code cases/public-recipe.yaml}: keys of ordinary recipes of TRL, PEFT and transformers. */
  @Test
  void a_recipe_of_other_trainers_is_taken_and_a_line_each_says_what_means_nothing() {
    Loaded<TrainConfig> loaded =
        new ConfigLoader(new Configuration())
            .train(Optional.of("src/test/resources/cases/public-recipe.yaml"), List.of());
    assertThat(loaded.config().method()).isEqualTo(Method.QLORA);
    assertThat(loaded.config().model().revision()).isEqualTo("v1");
    assertThat(loaded.config().data().maxSeqLength()).isEqualTo(1024);
    assertThat(loaded.config().lora().alpha()).isEqualTo(32);
    assertThat(loaded.config().optimization().lrSchedulerType()).isEqualTo(LrSchedulerType.COSINE);
    assertThat(loaded.notes())
        .containsExactly(
            "gradient_checkpointing_kwargs changes nothing; recomputing is part of the layer loop,"
                + " not of an autograd hook.",
            "attn_implementation changes nothing; there is one attention, with the results of all"
                + " of them.",
            "dataset_num_proc changes nothing; Spark's cores prepare data.",
            "do_eval changes nothing; eval_strategy says when.",
            "logging_strategy changes nothing; logging_steps says how often.",
            "log_level changes nothing; log4j2 says what is logged.",
            "overwrite_output_dir changes nothing; resume_from_checkpoint says whether a run goes"
                + " on or begins.",
            "push_to_hub changes nothing; nothing is sent.",
            "hub_model_id changes nothing; train does not upload; merge --push_to does.",
            "hub_strategy changes nothing; train does not upload; merge --push_to does.");
  }
}
