package org.sparkfinetune.spark.model;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.apache.hadoop.fs.Path;
import org.sparkfinetune.config.ModelChoice;
import org.sparkfinetune.config.TrainConfig.ModelSource;
import org.sparkfinetune.data.tokenize.TokenizerFiles;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.model.hub.HubFile;
import org.sparkfinetune.model.hub.HubFolder;
import org.sparkfinetune.model.hub.HubId;
import org.sparkfinetune.model.hub.HubRepository;
import org.sparkfinetune.model.hub.HubRepository.HubKind;
import org.sparkfinetune.store.PromotedFolder;
import org.sparkfinetune.store.Store;

/**
 * From the names that users give models to folders. What is on a hub comes to the shared cache
 * first, in the driver, so that executors read it by ranges as they read any folder and need
 * neither the hub nor its token.
 */
public final class ModelFolders {
  /** What is read beside weights, and what {@code full} copies beside its own. */
  private static final List<String> TEXTS =
      List.of(
          "config.json",
          "generation_config.json",
          "tokenizer.json",
          "tokenizer_config.json",
          "special_tokens_map.json",
          "preprocessor_config.json",
          "processor_config.json",
          "chat_template.jinja",
          "chat_template.json",
          "additional_chat_templates/*.jinja",
          "model.safetensors.index.json");

  private static final List<String> WEIGHTS = List.of("model*.safetensors");
  private static final List<String> ADAPTER =
      List.of("adapter_config.json", "adapter_model.safetensors");

  private final Store store;

  public ModelFolders(Store store) {
    this.store = store;
  }

  /**
   * A hub's model that is not all here.
   *
   * @param folder where its small files are
   * @param weights files that have yet to come
   * @param bytes in them
   */
  public record Partial(Path folder, int weights, long bytes) {}

  /** The source with every folder in its place; a hub's model is named by its plain id. */
  public ModelSource located(ModelSource source) {
    Optional<HubId> id = model(source);
    return new ModelSource(
        id.map(HubId::name).orElse(source.modelId()),
        id.map(HubId::revision).orElse(source.revision()),
        source.tokenizer().map(this::tokenizer),
        source.adapter().map(this::adapter),
        model(source.modelId(), source.revision()));
  }

  /** The same while the model's weights have yet to come to its folder. */
  public ModelSource locatedAdapter(ModelSource source, String folder) {
    return new ModelSource(
        source.modelId(),
        source.revision(),
        source.tokenizer(),
        source.adapter().map(this::adapter),
        folder);
  }

  /** The commit that a located hub model is of; the files of a branch change. */
  public static Optional<String> commit(ModelSource located) {
    return located.folder().equals(located.modelId())
        ? Optional.empty()
        : Optional.of(new Path(located.folder()).getName());
  }

  /** The same with every folder in its place. */
  public ModelChoice located(ModelChoice choice) {
    return choice.at(
        model(choice.modelId(), HubId.MAIN),
        choice.adapter().map(this::adapter),
        choice.tokenizer().map(this::tokenizer));
  }

  /**
   * A folder with a whole model.
   *
   * @throws UserError if the name is that of neither a folder that is there nor a hub's model with
   *     safetensors
   */
  public String model(String named, String revision) {
    return HubFolder.repository(named, revision, HubKind.MODEL, store)
        .map(id -> HubFolder.from(named, id, store, hub -> hub.downloadFiles(files(id, hub))))
        .orElseGet(() -> HubFolder.existing(named, store))
        .toString();
  }

  /**
   * A folder with a PEFT adapter; of what evaluate promotes to, the current one, which some stores
   * have under its version's name only.
   */
  public String adapter(String named) {
    Path folder =
        HubFolder.repository(named, HubId.MAIN, HubKind.MODEL, store)
            .map(id -> HubFolder.from(named, id, store, hub -> hub.download(ADAPTER)))
            .orElseGet(() -> new Path(named));
    return PromotedFolder.followed(folder, store).toString();
  }

  /** A folder with a tokenizer. */
  public String tokenizer(String named) {
    return HubFolder.locate(named, HubId.MAIN, HubKind.MODEL, TokenizerFiles.patterns(), store)
        .toString();
  }

  /**
   * The small files of a hub's model whose weights are not here yet, for a look before a run that
   * must not take as long as the run; empty where everything is here.
   */
  public Optional<Partial> partial(ModelSource source) {
    return model(source)
        .flatMap(id -> HubFolder.from(source.modelId(), id, store, hub -> partial(id, hub)));
  }

  private static Optional<Partial> partial(HubId id, HubRepository hub) {
    List<HubFile> missing =
        hub.missing(files(id, hub)).stream().filter(ModelFolders::isWeights).toList();
    return missing.isEmpty()
        ? Optional.empty()
        : Optional.of(
            new Partial(
                hub.downloadFiles(
                    files(id, hub).stream().filter(file -> !isWeights(file)).toList()),
                missing.size(),
                missing.stream().mapToLong(HubFile::size).sum()));
  }

  private Optional<HubId> model(ModelSource source) {
    return HubFolder.repository(source.modelId(), source.revision(), HubKind.MODEL, store);
  }

  private static boolean isWeights(HubFile file) {
    return !file.path().contains("/") && file.matches(WEIGHTS);
  }

  /** Never what lies in folders of the repository: those hold the same weights in other forms. */
  private static List<HubFile> files(HubId id, HubRepository hub) {
    List<HubFile> wanted = new ArrayList<>();
    for (HubFile file : hub.snapshot().files()) {
      if (isWeights(file) || file.matches(TEXTS)) {
        wanted.add(file);
      }
    }
    if (wanted.stream().noneMatch(ModelFolders::isWeights)) {
      throw new UserError(
          "%s holds no model*.safetensors. Only safetensors weights are read, because pickled ones can run code; name another repository or revision, or convert the model."
              .formatted(id));
    }
    return wanted;
  }
}
