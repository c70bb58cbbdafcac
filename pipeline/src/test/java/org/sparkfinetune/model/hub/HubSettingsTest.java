package org.sparkfinetune.model.hub;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.net.URI;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.security.alias.CredentialProvider;
import org.apache.hadoop.security.alias.CredentialProviderFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.model.hub.HubClient.HubAccess;
import org.sparkfinetune.model.hub.HubDownload.Checksum;
import org.sparkfinetune.model.hub.HubRepository.HubKind;

final class HubSettingsTest {
  private final Configuration hadoop = new Configuration();
  @TempDir private Path folder;

  @Test
  void without_anything_it_is_the_public_hub_and_its_librarys_own_cache() {
    HubSettings settings = HubSettings.of(hadoop, Map.of());
    assertThat(settings.endpoint()).isEqualTo(URI.create("https://huggingface.co/"));
    assertThat(settings.cache().toUri().getPath())
        .isEqualTo(System.getProperty("user.home") + "/.cache/huggingface/hub");
    assertThat(settings.access()).isEqualTo(HubAccess.ONLINE);
    assertThat(settings.token()).isEmpty();
  }

  @Test
  void hadoops_settings_win_over_the_environment() {
    Map<String, String> environment =
        Map.of("HF_ENDPOINT", "https://one.example", "HF_HOME", "/home", "HF_HUB_OFFLINE", "1");
    HubSettings settings = HubSettings.of(hadoop, environment);
    assertThat(settings.endpoint()).hasHost("one.example");
    assertThat(settings.cache().toUri().getPath()).isEqualTo("/home/hub");
    assertThat(settings.access()).isEqualTo(HubAccess.OFFLINE);
    hadoop.set(HubSettings.ENDPOINT, "https://two.example/hf/");
    hadoop.set(HubSettings.CACHE, "file:/other");
    hadoop.set(HubSettings.OFFLINE, "false");
    settings = HubSettings.of(hadoop, environment);
    assertThat(settings.endpoint()).isEqualTo(URI.create("https://two.example/hf/"));
    assertThat(settings.cache().toString()).isEqualTo("file:/other");
    assertThat(settings.access()).isEqualTo(HubAccess.ONLINE);
  }

  @Test
  void the_token_comes_from_a_credential_provider_before_the_environment() throws IOException {
    Map<String, String> environment = Map.of("HF_TOKEN", "of-the-environment");
    assertThat(header(HubSettings.of(hadoop, environment))).isEqualTo("Bearer of-the-environment");
    hadoop.set(
        CredentialProviderFactory.CREDENTIAL_PROVIDER_PATH,
        "localjceks://file" + folder.resolve("secrets.jceks"));
    CredentialProvider provider = CredentialProviderFactory.getProviders(hadoop).get(0);
    provider.createCredentialEntry(HubSettings.TOKEN, "of-the-provider".toCharArray());
    provider.flush();
    HubSettings settings = HubSettings.of(hadoop, environment);
    assertThat(header(settings)).isEqualTo("Bearer of-the-provider");
    assertThat(settings.token()).hasToString("Optional[(a token)]");
  }

  private static String header(HubSettings settings) {
    return settings.token().orElseThrow().header();
  }

  @Test
  void a_token_in_plain_configuration_is_refused_without_being_shown() {
    hadoop.set(HubSettings.TOKEN, "hf_secret");
    assertThatThrownBy(() -> HubSettings.of(hadoop, Map.of()))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("credential provider")
        .hasMessageNotContaining("hf_secret");
  }

  @Test
  void a_token_is_not_sent_in_the_clear() {
    assertThatThrownBy(
            () ->
                HubSettings.of(
                    hadoop, Map.of("HF_TOKEN", "hf_secret", "HF_ENDPOINT", "http://hub.example")))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("not encrypted")
        .hasMessageNotContaining("hf_secret");
  }

  @ParameterizedTest
  @ValueSource(strings = {"huggingface.co", "ftp://hub.example", "https://", "http://a b"})
  void an_endpoint_that_is_none_is_named(String endpoint) {
    assertThatThrownBy(() -> HubSettings.of(hadoop, Map.of("HF_ENDPOINT", endpoint)))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("'%s".formatted(endpoint));
  }

  @Test
  void offline_is_true_or_false() {
    assertThatThrownBy(() -> HubSettings.of(hadoop, Map.of("HF_HUB_OFFLINE", "maybe")))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("'maybe'; allowed are true and false");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"", "name", "a/b/c", "/b", "a/", "../b", "a/..", "a/b--c", "a b/c", "a/.hidden"})
  void names_that_no_hub_has_are_refused(String name) {
    assertThatThrownBy(() -> new HubId(HubKind.MODEL, name, HubId.MAIN))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("owner/name");
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "../x", "a b", "/x", "a/../../b"})
  void revisions_that_could_leave_the_cache_are_refused(String revision) {
    assertThatThrownBy(() -> new HubId(HubKind.MODEL, "a/b", revision))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("is no revision of a/b");
  }

  @Test
  void patterns_are_the_hubs_own() {
    HubFile file = new HubFile("data/train-0.parquet", 1, new Checksum(Checksum.Kind.GIT_BLOB, ""));
    for (String pattern : List.of("*.parquet", "data/*", "data/", "data/train-?.parquet", "*")) {
      assertThat(file.matches(List.of("nothing", pattern))).as(pattern).isTrue();
    }
    for (String pattern : List.of("train*", "data", "*.json", "data/train-.parquet")) {
      assertThat(file.matches(List.of(pattern))).as(pattern).isFalse();
    }
  }
}
