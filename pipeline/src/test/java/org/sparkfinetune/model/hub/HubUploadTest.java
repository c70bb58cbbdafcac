package org.sparkfinetune.model.hub;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayInputStream;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.model.hub.HubUpload.Upload;
import org.sparkfinetune.testing.TestHubTaking;

final class HubUploadTest {
  private final TestHubTaking hub = new TestHubTaking();
  private final Map<String, String> environment =
      new HashMap<>(Map.of("HF_TOKEN", "hf_write", "HF_ENDPOINT", hub.endpoint()));

  @AfterEach
  void stop() {
    hub.close();
  }

  private HubUpload upload() {
    return upload("owner/name", Optional.empty());
  }

  private HubUpload upload(String name, Optional<Boolean> isPrivate) {
    HubSettings settings =
        HubSettings.of(new Configuration(), environment)
            .with(HubSettings.retry(3, Duration.ofMillis(1)), Duration.ofSeconds(10));
    return HubUpload.to(name, isPrivate, settings);
  }

  private static Upload weights(byte[] bytes) {
    return new Upload("model.safetensors", bytes.length, () -> new ByteArrayInputStream(bytes));
  }

  private static byte[] bytes(int count) {
    byte[] bytes = new byte[count];
    new Random(count).nextBytes(bytes);
    return bytes;
  }

  @Test
  void small_files_are_in_the_commit_and_large_ones_go_elsewhere_first() {
    String address =
        upload().commit(List.of(Upload.of("README.md", "é\n"), weights(bytes(9000))), "Merged");
    assertThat(address).isEqualTo(hub.endpoint() + "/owner/name/commit/1");
    assertThat(hub.text("README.md")).isEqualTo("é\n");
    assertThat(hub.files().get("model.safetensors")).isEqualTo(bytes(9000));
    assertThat(hub.summary()).isEqualTo("Merged");
    assertThat(hub.created()).hasToString("{\"name\":\"name\",\"organization\":\"owner\"}");
    assertThat(hub.requests())
        .containsExactly(
            "POST /api/repos/create",
            "POST /api/models/owner/name/preupload/main",
            "POST /owner/name.git/info/lfs/objects/batch",
            "store OID",
            "POST /verify",
            "POST /api/models/owner/name/commit/main");
  }

  @Test
  void a_large_file_may_go_in_parts_and_nothing_goes_twice() {
    hub.inParts(4000);
    upload().commit(List.of(weights(bytes(9000))), "one");
    assertThat(hub.files().get("model.safetensors")).isEqualTo(bytes(9000));
    assertThat(hub.requests()).contains("store OID/1", "store OID/2", "store OID/3");
    hub.forgetRequests();
    upload().commit(List.of(weights(bytes(9000))), "two");
    assertThat(hub.requests()).noneMatch(request -> request.startsWith("store"));
  }

  @Test
  void a_private_repository_and_one_that_is_there() {
    hub.creation(409);
    upload("owner/name", Optional.of(true)).commit(List.of(Upload.of("a", "")), "s");
    assertThat(hub.created().path("private").asBoolean()).isTrue();
    assertThat(hub.text("a")).isEmpty();
  }

  @Test
  void a_token_that_may_not_make_repositories_may_still_write_to_one() {
    hub.creation(403);
    upload().commit(List.of(Upload.of("a", "b")), "s");
    assertThat(hub.text("a")).isEqualTo("b");
  }

  @Test
  void what_fails_is_tried_again_with_a_new_address_and_then_given_up_without_a_commit() {
    hub.storeAnswers(500, 403);
    upload().commit(List.of(weights(bytes(100))), "s");
    assertThat(hub.files()).containsKey("model.safetensors");
    hub.files().clear();
    hub.storeAnswers(500, 500, 500);
    assertThatThrownBy(() -> upload().commit(List.of(weights(bytes(200))), "s"))
        .isInstanceOf(RunFailure.class)
        .hasMessageContaining("cannot be sent to " + hub.endpoint())
        .hasMessageContaining("Nothing was committed");
    assertThat(hub.files()).isEmpty();
  }

  @Test
  void a_refusal_says_why_and_never_the_token() {
    environment.put("HF_TOKEN", "hf_wrong");
    HubUpload upload = upload();
    assertThatThrownBy(() -> upload.commit(List.of(Upload.of("a", "b")), "s"))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("status 401: Invalid username or password.")
        .hasMessageContaining("Check that owner is a user or an organisation of yours")
        .hasMessageNotContaining("hf_wrong");
  }

  @Test
  void without_a_token_or_offline_nothing_is_begun() {
    assertThatThrownBy(() -> upload("name", Optional.empty()))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("'name' is no name on a hub");
    environment.remove("HF_TOKEN");
    assertThatThrownBy(this::upload)
        .isInstanceOf(UserError.class)
        .hasMessageContaining("Let HF_TOKEN hold one that may write there");
    environment.put("HF_HUB_OFFLINE", "1");
    assertThatThrownBy(this::upload)
        .isInstanceOf(UserError.class)
        .hasMessageContaining("the hub may not be asked");
    assertThat(hub.requests()).isEmpty();
  }
}
