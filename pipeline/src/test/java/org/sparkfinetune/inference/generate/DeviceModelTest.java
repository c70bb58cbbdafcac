package org.sparkfinetune.inference.generate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.util.Optional;
import java.util.OptionalLong;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.Test;
import org.sparkfinetune.engine.tensor.Tensor.ElementType;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.inference.generate.DecodingModel.BaseForm;
import org.sparkfinetune.inference.generate.DeviceFit.Kept;
import org.sparkfinetune.store.Store;

/** How a model's weights fit the memory of a device. */
final class DeviceModelTest {
  private static final Path MODEL = Path.of("src/test/resources/golden/model").toAbsolutePath();
  private static final ElementType BF16 = ElementType.BFLOAT16;
  private static final long PLENTY = 1L << 40;

  private static DecodingModel model(BaseForm form) {
    return DecodingModel.load(
        new org.apache.hadoop.fs.Path(MODEL.toUri()),
        Optional.empty(),
        form,
        new Store(new Configuration(false)),
        1);
  }

  /** Bytes that have to be there besides the weights. */
  private static long beside(DecodingModel model, ElementType type) {
    long tokens = Math.min(4096, model.config().contextLength());
    return (1L << 30) + tokens * DeviceFit.cacheBytes(model.config(), type);
  }

  /** Free bytes with which weights are kept so: just enough for it. */
  static OptionalLong free(DecodingModel model, ElementType type, Kept kept) {
    if (kept == Kept.DECODED) {
      return OptionalLong.empty();
    }
    DeviceFit whole = DeviceFit.of(model, type, OptionalLong.of(PLENTY));
    return OptionalLong.of(whole.weights() + beside(model, type) - 1);
  }

  @Test
  void weights_are_decoded_where_there_is_room_and_packed_where_there_is_less() {
    try (DecodingModel model = model(BaseForm.NF4)) {
      DeviceFit whole = DeviceFit.of(model, BF16, OptionalLong.of(PLENTY));
      assertThat(whole.kept()).isEqualTo(Kept.DECODED);
      assertThat(whole.cache()).hasValue(PLENTY - (1L << 30) - whole.weights());

      long exactly = whole.weights() + beside(model, BF16);
      assertThat(DeviceFit.of(model, BF16, OptionalLong.of(exactly)).kept())
          .isEqualTo(Kept.DECODED);
      DeviceFit packed = DeviceFit.of(model, BF16, OptionalLong.of(exactly - 1));
      assertThat(packed.kept()).isEqualTo(Kept.PACKED);
      assertThat(packed.weights()).isLessThan(whole.weights());

      long least = packed.weights() + beside(model, BF16);
      assertThat(DeviceFit.of(model, BF16, OptionalLong.of(least)).kept()).isEqualTo(Kept.PACKED);
      assertThatThrownBy(() -> DeviceFit.of(model, BF16, OptionalLong.of(least - 1)))
          .isInstanceOf(UserError.class)
          .hasMessageContaining("GiB are free")
          .hasMessageContaining("device: cpu");
    }
  }

  @Test
  void sixteen_bits_are_never_quantised_to_fit() {
    try (DecodingModel model = model(BaseForm.AS_STORED)) {
      DeviceFit whole = DeviceFit.of(model, BF16, OptionalLong.of(PLENTY));
      long exactly = whole.weights() + beside(model, BF16);
      assertThatThrownBy(() -> DeviceFit.of(model, BF16, OptionalLong.of(exactly - 1)))
          .isInstanceOf(UserError.class)
          .hasMessageContaining("base: dequantized");
    }
  }

  @Test
  void sizes_come_from_a_small_set() {
    assertThat(SlotCache.slots(1)).isEqualTo(1);
    assertThat(SlotCache.slots(5)).isEqualTo(8);
    assertThat(SlotCache.slots(32)).isEqualTo(32);
    assertThat(SlotCache.positions(1)).isEqualTo(256);
    assertThat(SlotCache.positions(256)).isEqualTo(256);
    assertThat(SlotCache.positions(257)).isEqualTo(512);
    assertThat(SlotCache.positions(100_000)).isEqualTo(102_400);
  }
}
