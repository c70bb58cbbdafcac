package org.sparkfinetune.spark.train;

import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.Test;
import org.sparkfinetune.config.ConfigLoader;
import org.sparkfinetune.config.TrainConfig;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.spark.train.TrainPreflight.UnsupportedSettings;

class UnsupportedSettingsTest {
  @Test
  void modules_to_save_are_embedding_and_head_and_any_other_is_an_error() {
    assertThatCode(() -> UnsupportedSettings.check(config("embed_tokens, lm_head")))
        .doesNotThrowAnyException();
    assertThatThrownBy(() -> UnsupportedSettings.check(config("norm")))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("modules_to_save: norm")
        .hasMessageContaining("embed_tokens and lm_head");
  }

  private static TrainConfig config(String modulesToSave) {
    return train("--model_id", "m", "--modules_to_save", modulesToSave);
  }

  private static TrainConfig train(String... words) {
    List<String> arguments = new ArrayList<>(List.of("--dataset_path", "d", "--output_dir", "o"));
    arguments.addAll(List.of(words));
    return new ConfigLoader(new Configuration()).train(Optional.empty(), arguments).config();
  }
}
