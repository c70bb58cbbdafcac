package org.sparkfinetune.inference.generate;

import java.util.Optional;
import org.apache.hadoop.fs.Path;
import org.sparkfinetune.inference.generate.DecodingModel.BaseForm;
import org.sparkfinetune.inference.generate.ModelLoader.BaseMatrices;
import org.sparkfinetune.store.Store;

/** A base model that one adapter after the other is put on: its matrices are read once. */
public final class BaseWeights implements AutoCloseable {
  private final Path model;
  private final BaseForm form;
  private final Store store;
  private final BaseMatrices matrices;

  /**
   * @param folder local, for a file that has no name
   */
  public BaseWeights(Path model, BaseForm form, java.nio.file.Path folder, Store store) {
    this.model = model;
    this.form = form;
    this.store = store;
    this.matrices = BaseMatrices.in(UnnamedFile.create(folder));
  }

  /**
   * The model with an adapter; the caller closes it, and this one after it.
   *
   * @param threads to quantise with, the first time
   * @throws org.sparkfinetune.errors.UserError as {@link DecodingModel#load}
   */
  public DecodingModel with(Path adapter, int threads) {
    try (ModelLoader loader =
        ModelLoader.open(model, Optional.of(adapter), form, Optional.of(matrices), store)) {
      return loader.load(threads, () -> {});
    }
  }

  @Override
  public void close() {
    matrices.file().close();
  }
}
