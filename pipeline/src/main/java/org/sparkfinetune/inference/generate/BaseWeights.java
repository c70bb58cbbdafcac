package org.sparkfinetune.inference.generate;

import java.lang.ref.SoftReference;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.apache.hadoop.fs.Path;
import org.jspecify.annotations.Nullable;
import org.sparkfinetune.inference.generate.DecodingModel.BaseForm;
import org.sparkfinetune.store.Store;

/** A base model that one adapter after the other is put on: its matrices are read once. */
public final class BaseWeights implements AutoCloseable {
  /**
   * Those of this JVM. One that nobody gave back stays as long as the heap has room, for the next
   * run of a sweep.
   */
  private static final Map<Key, SoftReference<BaseWeights>> SHARED = new HashMap<>();

  private final Path model;
  private final BaseForm form;
  private final Store store;
  private final UnnamedFile file;
  private final BaseMatrices matrices;
  private final @Nullable Key key;
  private int users;

  /**
   * What a base is.
   *
   * @param files of the model's folder, as they were when it was first read
   */
  private record Key(Path model, BaseForm form, List<String> files) {}

  /**
   * @param folder local, for a file that has no name
   */
  public BaseWeights(Path model, BaseForm form, java.nio.file.Path folder, Store store) {
    this(model, form, UnnamedFile.create(folder), store, null);
  }

  private BaseWeights(Path model, BaseForm form, UnnamedFile file, Store store, @Nullable Key key) {
    this.model = model;
    this.form = form;
    this.store = store;
    this.matrices = new BaseMatrices(form, file);
    this.file = file;
    this.key = key;
  }

  /** The JVM's base of this kind; {@link #close} gives it back, and the last one frees it. */
  public static BaseWeights shared(Path model, BaseForm form, Store store) {
    Key key = new Key(model, form, files(model, store));
    synchronized (SHARED) {
      SHARED.values().removeIf(held -> held.get() == null);
      SoftReference<BaseWeights> held = SHARED.get(key);
      BaseWeights base = held == null ? null : held.get();
      if (base == null) {
        base = new BaseWeights(model, form, UnnamedFile.create(), store, key);
        SHARED.put(key, new SoftReference<>(base));
      }
      base.users++;
      return base;
    }
  }

  private static List<String> files(Path model, Store store) {
    return store.list(model).stream()
        .flatMap(file -> store.status(file).stream())
        .map(
            file ->
                "%s %s %s"
                    .formatted(file.getPath().getName(), file.getLen(), file.getModificationTime()))
        .sorted()
        .toList();
  }

  /**
   * The model with an adapter; the caller closes it, and this one after it.
   *
   * @param threads to quantise with, the first time
   * @throws org.sparkfinetune.errors.UserError as {@link DecodingModel#load}
   */
  public DecodingModel with(Path adapter, int threads) {
    return with(Optional.of(adapter), threads, () -> {});
  }

  /** The same, maybe without one. */
  public DecodingModel with(Optional<Path> adapter, int threads, Runnable layerLoaded) {
    try (ModelLoader loader =
        ModelLoader.open(model, adapter, form, Optional.of(matrices), store)) {
      return loader.load(threads, layerLoaded);
    }
  }

  @Override
  public void close() {
    if (key != null) {
      synchronized (SHARED) {
        users--;
        if (users > 0) {
          return;
        }
        SHARED.remove(key);
      }
    }
    file.close();
  }
}
