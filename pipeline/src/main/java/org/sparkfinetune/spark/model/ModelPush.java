package org.sparkfinetune.spark.model;

import java.io.FileNotFoundException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.Path;
import org.sparkfinetune.config.MergeConfig;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.model.hub.HubFolder;
import org.sparkfinetune.model.hub.HubId;
import org.sparkfinetune.model.hub.HubRepository.HubKind;
import org.sparkfinetune.model.hub.HubUpload;
import org.sparkfinetune.model.hub.HubUpload.Upload;
import org.sparkfinetune.store.Store;

/** Sends what {@code merge} wrote to a hub, with a model card. */
public final class ModelPush {
  private static final String CARD = "README.md";

  private final MergeConfig config;
  private final Store store;
  private final HubUpload upload;

  private ModelPush(MergeConfig config, Store store, HubUpload upload) {
    this.config = config;
    this.store = store;
    this.upload = upload;
  }

  /**
   * Where to, known and made before anything is merged; empty where nothing is to be sent.
   *
   * @throws UserError if the hub would not take it
   */
  public static Optional<ModelPush> prepare(MergeConfig config, Store store) {
    return config
        .pushTo()
        .map(
            name ->
                new ModelPush(config, store, HubUpload.to(name, config.hubPrivateRepo(), store)));
  }

  /**
   * @param adapter located
   * @return the address of the commit
   */
  public String run(Optional<String> adapter) {
    List<Upload> files = new ArrayList<>();
    files.add(Upload.of(CARD, new ModelCard(config, adapter, store).text(baseCard())));
    collect(new Path(config.output()), "", files);
    return upload.commit(files, "Upload by spark-finetune merge");
  }

  private void collect(Path at, String prefix, List<Upload> files) {
    FileStatus status =
        store
            .status(at)
            .orElseThrow(
                () -> new RunFailure(at + " is not there any more.", new FileNotFoundException()));
    if (status.isFile()) {
      files.add(
          new Upload(prefix + at.getName(), status.getLen(), () -> store.fileSystem(at).open(at)));
      return;
    }
    String below = at.equals(new Path(config.output())) ? "" : prefix + at.getName() + "/";
    store.list(at).forEach(file -> collect(file, below, files));
    store.folders(at).forEach(folder -> collect(folder, below, files));
  }

  /** Of the base model; where it has none its licence is not said. */
  private Optional<String> baseCard() {
    try {
      Path folder =
          HubFolder.locate(config.modelId(), HubId.MAIN, HubKind.MODEL, List.of(CARD), store);
      return store
          .read(new Path(folder, CARD))
          .map(bytes -> new String(bytes, StandardCharsets.UTF_8));
    } catch (UserError | RunFailure e) {
      return Optional.empty();
    }
  }
}
