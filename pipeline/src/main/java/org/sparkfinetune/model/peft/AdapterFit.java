package org.sparkfinetune.model.peft;

import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.apache.hadoop.fs.Path;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.model.family.DecoderConfig;
import org.sparkfinetune.model.peft.LoraTargets.AdapterNames;
import org.sparkfinetune.model.safetensors.TensorInfo;

/** What of an adapter's file belongs to a model and to its configuration, as PEFT decides it. */
final class AdapterFit {
  private static final Logger LOG = LoggerFactory.getLogger(AdapterFit.class);

  private final Path folder;
  private final AdapterFiles files;
  private final DecoderConfig model;

  AdapterFit(Path folder, AdapterFiles files, DecoderConfig model) {
    this.folder = folder;
    this.files = files;
    this.model = model;
  }

  /**
   * Leaves the linears that are in the file, in the configuration and in the model, and warns of
   * the others.
   *
   * @throws UserError if the adapter is for another model, or nothing of it is left
   */
  void fit() {
    List<String> linears = LoraTargets.linears(model);
    leaveUntrained(linears);
    Set<String> modules = files.modules();
    List<String> strange = modules.stream().filter(name -> !linears.contains(name)).toList();
    if (!strange.isEmpty()) {
      throw new UserError(
          "The adapter %s has LoRA for %s, but no linear of the decoder's layers has that name. %s"
              .formatted(
                  folder,
                  some(strange),
                  model.experts().exist()
                      ? "Of a mixture of experts adapters on attention alone are read."
                      : "Was it trained for another model, or for images?"));
    }
    Set<String> wanted = new TreeSet<>(new LoraTargets(model, files.config()).all());
    List<String> missing = wanted.stream().filter(name -> !modules.contains(name)).toList();
    List<String> unexpected = modules.stream().filter(name -> !wanted.contains(name)).toList();
    files.keep(wanted);
    if (modules.isEmpty()) {
      throw new UserError(
          "The adapter %s has no LoRA weights for any of the %s linears that its %s names (%s). A folder whose %s was not saved whole looks so; train or save it again."
              .formatted(
                  folder,
                  wanted.size(),
                  AdapterFiles.CONFIG,
                  some(List.copyOf(wanted)),
                  AdapterFiles.WEIGHTS));
    }
    if (!missing.isEmpty()) {
      LOG.warn(
          "The adapter {} lacks the weights of {} of the {} linears that its {} names ({}): those are computed as in the base model (PEFT says: found missing adapter keys while loading the checkpoint).",
          folder,
          missing.size(),
          wanted.size(),
          AdapterFiles.CONFIG,
          some(missing));
    }
    if (!unexpected.isEmpty()) {
      LOG.warn(
          "The adapter {} has weights for {} linears that its {} does not name ({}): they are not used, as in PEFT.",
          folder,
          unexpected.size(),
          AdapterFiles.CONFIG,
          some(unexpected));
    }
    warnOfMissingModules();
    fitTokens();
  }

  private void fitTokens() {
    if (files.hasTokenRows()) {
      TensorInfo rows = files.info(AdapterNames.saved(LoraTargets.TOKEN_ROWS));
      files.check(
          rows.shape()[1] == model.hiddenSize(),
          rows,
          "(tokens, hidden_size) with the model's hidden_size, " + model.hiddenSize());
    } else if (!files.config().tokens().isEmpty()) {
      LOG.warn(
          "The adapter {} lacks the embeddings of the tokens that its {} has in trainable_token_indices: the base model's are used.",
          folder,
          AdapterFiles.CONFIG);
    }
  }

  /**
   * PEFT's all-linear gives an image encoder adapters too. B begins at zero and, where all that was
   * trained on are texts, stays so: such an adapter adds nothing.
   */
  private void leaveUntrained(List<String> linears) {
    List<String> untrained =
        files.modules().stream()
            .filter(name -> !linears.contains(name))
            .filter(name -> name.startsWith("model.") && isZero(AdapterNames.loraB(name)))
            .toList();
    files.keep(files.modules().stream().filter(name -> !untrained.contains(name)).toList());
    if (!untrained.isEmpty()) {
      LOG.info(
          "The adapter {} has LoRA for {} linears outside of the decoder ({}), whose B is zero: they add nothing and are left out.",
          folder,
          untrained.size(),
          some(untrained));
    }
  }

  private boolean isZero(String tensor) {
    for (float value : files.floats(tensor)) {
      if (value != 0) {
        return false;
      }
    }
    return true;
  }

  private void warnOfMissingModules() {
    for (String module : files.config().modulesToSave()) {
      if (files.savedParameters().stream()
          .noneMatch(name -> ("." + name).endsWith("." + module + AdapterFiles.WEIGHT))) {
        LOG.warn(
            "The adapter {} lacks {}, which its {} has in modules_to_save: the base model's is used.",
            folder,
            module,
            AdapterFiles.CONFIG);
      }
    }
  }

  private static String some(List<String> names) {
    return String.join(", ", names.subList(0, Math.min(3, names.size())))
        + (names.size() > 3 ? ", …" : "");
  }
}
