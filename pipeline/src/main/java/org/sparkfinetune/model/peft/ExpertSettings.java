package org.sparkfinetune.model.peft;

import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.config.TrainConfig;
import org.sparkfinetune.config.TrainConfig.Method;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.model.family.DecoderConfig;
import org.sparkfinetune.model.family.LinearModule;

/** What of a run's settings depends on whether the model has experts. */
public final class ExpertSettings {
  private static final Logger LOG = LoggerFactory.getLogger(ExpertSettings.class);

  private ExpertSettings() {}

  /**
   * @throws UserError if experts would have to be trained, or balanced although there are none
   */
  public static void check(TrainConfig config, DecoderConfig model) {
    boolean experts = model.experts().exist();
    if (experts && config.method() == Method.FULL) {
      throw new UserError(
          "method is full, but the model (%s) is a mixture of experts, whose experts and routers are not trained here. Use method qlora or lora: adapters on attention."
              .formatted(model.modelType()));
    }
    double coefficient = config.optimization().routerAuxLossCoef().orElse(0.0);
    if (!experts && coefficient > 0) {
      throw new UserError(
          "router_aux_loss_coef is %s, but the model (%s) has no experts to balance. Leave the key out."
              .formatted(coefficient, model.modelType()));
    }
  }

  /** A line where a word of the configuration means less than of other models. */
  public static void say(AdapterConfig lora, DecoderConfig model) {
    if (model.experts().exist() && lora.modules().targets() instanceof LoraModules.AllLinear) {
      LOG.info(
          "all-linear is {} here: experts and routers of a mixture stay as they are.",
          LinearModule.adaptable(model).stream().map(LinearModule::shortName).toList());
    }
  }
}
