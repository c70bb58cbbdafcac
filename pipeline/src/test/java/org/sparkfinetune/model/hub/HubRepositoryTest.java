package org.sparkfinetune.model.hub;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.model.hub.HubRepository.HubKind;
import org.sparkfinetune.store.Retry;
import org.sparkfinetune.store.Store;
import org.sparkfinetune.testing.TestHub;

final class HubRepositoryTest {
  private static final String NAME = "owner/name";
  private static final Retry SHORT = HubSettings.retry(3, Duration.ofMillis(1));

  private final TestHub hub = TestHub.dataset(NAME);
  private final Map<String, String> environment = new HashMap<>();
  private final Store store = new Store(new Configuration());
  @TempDir private Path folder;

  @AfterEach
  void stop() {
    hub.close();
  }

  private HubRepository repository(String revision) {
    return repository(new HubId(HubKind.DATASET, NAME, revision), hub);
  }

  private HubRepository repository(HubId id, TestHub of) {
    environment.put("HF_ENDPOINT", of.endpoint());
    environment.put("HF_HUB_CACHE", folder.resolve("cache").toUri().toString());
    return HubRepository.of(
        id, HubSettings.of(store.hadoop(), environment).with(SHORT, Duration.ofSeconds(10)), store);
  }

  private static byte[] bytes(int count) {
    byte[] bytes = new byte[count];
    new Random(count).nextBytes(bytes);
    return bytes;
  }

  private static Path local(org.apache.hadoop.fs.Path path) {
    return Path.of(path.toUri().getPath());
  }

  private List<Path> partials() throws IOException {
    Path partial = folder.resolve("cache/datasets--owner--name/partial");
    try (Stream<Path> left = Files.exists(partial) ? Files.list(partial) : Stream.empty()) {
      return left.toList();
    }
  }

  @Test
  void files_come_under_their_paths_and_small_and_large_ones_are_checked() throws IOException {
    hub.small("README.md", "read me").small("data/a b.jsonl", "{}\n").small("data/empty.csv", "");
    hub.large("data/deep/é.parquet", bytes(700_000));
    Path here = local(repository(HubId.MAIN).download(List.of("data/*")));
    assertThat(here).endsWithRaw(Path.of("datasets--owner--name/snapshots", hub.commit()));
    assertThat(here.resolve("data/a b.jsonl")).hasContent("{}\n");
    assertThat(here.resolve("data/empty.csv")).isEmptyFile();
    assertThat(here.resolve("data/deep/é.parquet")).hasBinaryContent(bytes(700_000));
    assertThat(here.resolve("README.md")).doesNotExist();
    assertThat(folder.resolve("cache/datasets--owner--name/refs/main")).hasContent(hub.commit());
    assertThat(partials()).isEmpty();
  }

  @Test
  void models_are_asked_for_by_their_own_address() {
    try (TestHub models = TestHub.model("meta/llama")) {
      models.small("config.json", "{}").large("model.safetensors", bytes(100));
      Path here =
          local(
              repository(new HubId(HubKind.MODEL, "meta/llama", HubId.MAIN), models)
                  .download(List.of("*.json", "*.safetensors")));
      assertThat(here.resolve("model.safetensors")).hasBinaryContent(bytes(100));
      assertThat(here.toString()).contains("/models--meta--llama/");
    }
  }

  @Test
  void what_is_here_is_not_downloaded_again_and_a_pinned_commit_needs_no_hub() {
    hub.small("a.jsonl", "{}\n");
    repository(HubId.MAIN).download(List.of("*"));
    hub.forgetRequests();
    repository(HubId.MAIN).download(List.of("*"));
    assertThat(hub.requests()).singleElement().asString().contains("/revision/main");
    hub.forgetRequests();
    String commit = hub.commit();
    Path here = local(repository(commit).download(List.of("*")));
    assertThat(here).endsWithRaw(Path.of(commit));
    assertThat(hub.requests()).isEmpty();
  }

  @Test
  void a_branch_that_moved_is_followed_and_the_old_commit_stays() {
    hub.small("a.jsonl", "1\n");
    Path old = local(repository(HubId.MAIN).download(List.of("*")));
    hub.small("a.jsonl", "2\n");
    Path moved = local(repository(HubId.MAIN).download(List.of("*")));
    assertThat(moved.resolve("a.jsonl")).hasContent("2\n");
    assertThat(old.resolve("a.jsonl")).hasContent("1\n");
  }

  @Test
  void a_revision_with_slashes_is_asked_for_as_one_word() {
    hub.small("a.jsonl", "{}\n");
    repository("refs/pr/1").download(List.of("*"));
    assertThat(hub.requests().get(0)).contains("/revision/refs%2Fpr%2F1?blobs=true");
  }

  @Test
  void a_connection_that_breaks_is_taken_up_where_it_broke() {
    hub.large("big.bin", bytes(1_000_000)).breaksAfter("big.bin", 300_000, 0, 500_000);
    Path here = local(repository(HubId.MAIN).download(List.of("*")));
    assertThat(here.resolve("big.bin")).hasBinaryContent(bytes(1_000_000));
    assertThat(hub.requests().stream().filter(r -> r.startsWith("store")))
        .containsExactly(
            "store /big.bin?Signature=a%2Fb",
            "store /big.bin?Signature=a%2Fb bytes=300000-",
            "store /big.bin?Signature=a%2Fb bytes=300000-",
            "store /big.bin?Signature=a%2Fb bytes=800000-");
  }

  @Test
  void a_server_that_cannot_skip_is_read_past_what_is_here() {
    hub.large("big.bin", bytes(500_000)).breaksAfter("big.bin", 300_000).ignoresRanges();
    Path here = local(repository(HubId.MAIN).download(List.of("*")));
    assertThat(here.resolve("big.bin")).hasBinaryContent(bytes(500_000));
  }

  @Test
  void another_process_goes_on_where_one_gave_up() throws IOException {
    hub.large("big.bin", bytes(1_000_000)).breaksAfter("big.bin", 400_000, 0, 0, 0);
    assertThatThrownBy(() -> repository(HubId.MAIN).download(List.of("*")))
        .isInstanceOf(RunFailure.class)
        .hasMessageContaining("ended after 400000 of 1000000 bytes")
        .hasMessageContaining("What has come so far is kept");
    assertThat(partials()).singleElement().satisfies(file -> assertThat(file).hasSize(400_000));
    hub.breaksAfter("big.bin");
    hub.forgetRequests();
    Path here = local(repository(HubId.MAIN).download(List.of("*")));
    assertThat(here.resolve("big.bin")).hasBinaryContent(bytes(1_000_000));
    assertThat(hub.requests()).last().asString().endsWith("bytes=400000-");
  }

  @Test
  void what_another_process_left_is_thrown_away_if_it_was_wrong() throws IOException {
    hub.large("big.bin", bytes(1000));
    repository(HubId.MAIN).snapshot();
    hub.breaksAfter("big.bin", 400, 0, 0, 0).corrupts();
    assertThatThrownBy(() -> repository(HubId.MAIN).download(List.of("*")))
        .isInstanceOf(RunFailure.class);
    Files.write(partials().get(0), new byte[400]);
    hub.heals().breaksAfter("big.bin");
    Path here = local(repository(HubId.MAIN).download(List.of("*")));
    assertThat(here.resolve("big.bin")).hasBinaryContent(bytes(1000));
  }

  @Test
  void other_bytes_than_promised_never_get_the_files_name() throws IOException {
    hub.small("a.jsonl", "{}\n").corrupts();
    assertThatThrownBy(() -> repository(HubId.MAIN).download(List.of("*")))
        .isInstanceOf(RunFailure.class)
        .hasMessageContaining("a.jsonl came with other bytes than the hub promised (GIT_BLOB");
    try (Stream<Path> all = Files.walk(folder.resolve("cache"))) {
      assertThat(all.map(path -> path.getFileName().toString())).doesNotContain("a.jsonl");
    }
    hub.heals();
    assertThat(local(repository(HubId.MAIN).download(List.of("*"))).resolve("a.jsonl"))
        .hasContent("{}\n");
  }

  @Test
  void a_busy_hub_is_asked_again_but_not_forever() {
    hub.small("a.jsonl", "{}\n").answers(429, 503, 200 + 300);
    assertThatThrownBy(() -> repository(HubId.MAIN).snapshot())
        .isInstanceOf(RunFailure.class)
        .hasMessageContaining("the hub answers with status 500");
    hub.answers(429, 503);
    assertThat(repository(HubId.MAIN).snapshot().files()).hasSize(1);
  }

  @Test
  void the_token_goes_to_the_hub_and_to_nobody_else() {
    hub.large("big.bin", bytes(10)).needsToken("hf_secret");
    environment.put("HF_TOKEN", "hf_secret");
    repository(HubId.MAIN).download(List.of("*"));
    assertThat(hub.requests())
        .allMatch(request -> request.startsWith("hub ") == request.endsWith(" with token"))
        .anyMatch(request -> request.startsWith("store"));
  }

  @Test
  void a_private_repository_says_what_to_do_and_never_the_token() {
    hub.small("a.jsonl", "{}\n").needsToken("hf_secret");
    assertThatThrownBy(() -> repository(HubId.MAIN).snapshot())
        .isInstanceOf(UserError.class)
        .hasMessageContaining("hub:owner/name@main: there is no such data set, or it is private")
        .hasMessageContaining("let HF_TOKEN hold a token");
    environment.put("HF_TOKEN", "hf_wrong");
    assertThatThrownBy(() -> repository(HubId.MAIN).snapshot())
        .isInstanceOf(UserError.class)
        .hasMessageContaining("Check that the token (HF_TOKEN) is valid")
        .hasMessageNotContaining("hf_wrong");
  }

  @Test
  void a_gated_repository_and_an_unknown_revision_are_told_apart() {
    hub.small("a.jsonl", "{}\n");
    assertThatThrownBy(() -> repository("v2").snapshot())
        .isInstanceOf(UserError.class)
        .hasMessageContaining("there is no revision 'v2'");
    hub.refuses("GatedRepo");
    assertThatThrownBy(() -> repository(HubId.MAIN).snapshot())
        .isInstanceOf(UserError.class)
        .hasMessageContaining("Accept them at " + hub.endpoint() + "/datasets/owner/name");
  }

  @Test
  void offline_what_is_here_is_used_and_what_is_not_is_named() {
    hub.small("a.jsonl", "{}\n").small("b.jsonl", "{}\n");
    repository(HubId.MAIN).download(List.of("a*"));
    hub.forgetRequests();
    environment.put("HF_HUB_OFFLINE", "1");
    assertThat(local(repository(HubId.MAIN).download(List.of("a*"))).resolve("a.jsonl")).exists();
    assertThatThrownBy(() -> repository(HubId.MAIN).download(List.of("*")))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("b.jsonl of hub:owner/name@main is not in")
        .hasMessageContaining("HF_HUB_OFFLINE");
    assertThatThrownBy(() -> repository("v1").download(List.of("*")))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("hub:owner/name@v1 is not in");
    assertThat(hub.requests()).isEmpty();
  }

  @Test
  void patterns_that_match_nothing_are_answered_with_what_there_is() {
    hub.small("a.jsonl", "{}\n").small("b/c.csv", "x\n");
    assertThatThrownBy(() -> repository(HubId.MAIN).download(List.of("*.parquet")))
        .isInstanceOf(UserError.class)
        .hasMessage("hub:owner/name@main has no file *.parquet. There are: a.jsonl, b/c.csv");
  }

  @Test
  void a_file_name_that_leaves_the_folder_is_refused() {
    hub.small("../../evil.jsonl", "{}\n");
    assertThatThrownBy(() -> repository(HubId.MAIN).snapshot())
        .isInstanceOf(RunFailure.class)
        .hasMessageContaining("../../evil.jsonl");
  }

  @Test
  void a_hub_that_is_not_there_is_a_failure_with_advice() {
    hub.close();
    assertThatThrownBy(() -> repository(HubId.MAIN).snapshot())
        .isInstanceOf(RunFailure.class)
        .hasMessageContaining("cannot be downloaded from " + hub.endpoint())
        .hasMessageContaining("name a mirror by HF_ENDPOINT");
  }

  /** As huggingface_hub leaves it: links to blobs, and nothing that lists the commit. */
  private Path cachedByPython(String commit, Map<String, String> files) throws IOException {
    Path repository = folder.resolve("cache/datasets--owner--name");
    Path snapshot = repository.resolve("snapshots").resolve(commit);
    for (Map.Entry<String, String> file : files.entrySet()) {
      Path blob = repository.resolve("blobs/" + Math.abs(file.getValue().hashCode()));
      Path link = snapshot.resolve(file.getKey());
      Files.createDirectories(blob.getParent());
      Files.createDirectories(link.getParent());
      Files.writeString(blob, file.getValue());
      Files.createSymbolicLink(link, link.getParent().relativize(blob));
    }
    Files.createDirectories(repository.resolve("refs"));
    Files.writeString(repository.resolve("refs/main"), commit);
    return snapshot;
  }

  @Test
  void offline_what_the_hubs_own_library_cached_is_used() throws IOException {
    environment.put("HF_HUB_OFFLINE", "1");
    Path snapshot = cachedByPython("a".repeat(40), Map.of("a.jsonl", "1\n", "data/b.jsonl", "2\n"));
    Path here = local(repository(HubId.MAIN).download(List.of("*")));
    assertThat(here).isEqualTo(snapshot);
    assertThat(here.resolve("data/b.jsonl")).hasContent("2\n");
    assertThat(repository("a".repeat(40)).snapshot().files()).hasSize(2);
    assertThatThrownBy(() -> repository("b".repeat(40)).snapshot())
        .isInstanceOf(UserError.class)
        .hasMessageContaining("is not in");
    assertThat(hub.requests()).isEmpty();
  }

  @Test
  void of_a_set_of_files_all_have_to_be_cached() throws IOException {
    environment.put("HF_HUB_OFFLINE", "1");
    cachedByPython(
        "a".repeat(40),
        Map.of("train-00000-of-00003.csv", "1\n", "train-00002-of-00003.csv", "3\n"));
    assertThatThrownBy(() -> repository(HubId.MAIN).download(List.of("*")))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("train-00001-of-00003.csv of hub:owner/name@main is not in");
    cachedByPython("a".repeat(40), Map.of("train-00001-of-00003.csv", "2\n"));
    assertThat(repository(HubId.MAIN).download(List.of("*")).getName()).isEqualTo("a".repeat(40));
  }

  @Test
  void a_file_whose_blob_was_deleted_is_not_there() throws IOException {
    environment.put("HF_HUB_OFFLINE", "1");
    Path snapshot = cachedByPython("a".repeat(40), Map.of("a.csv", "1\n", "b.csv", "2\n"));
    Files.delete(snapshot.resolve("a.csv").toRealPath());
    assertThatThrownBy(() -> repository(HubId.MAIN).download(List.of("a.csv")))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("There are: b.csv");
  }

  @Test
  void the_listing_of_the_hubs_own_library_tells_what_is_missing() throws IOException {
    environment.put("HF_HUB_OFFLINE", "1");
    Path snapshot = cachedByPython("a".repeat(40), Map.of("a.csv", "1\n"));
    Path trees = snapshot.resolve("../../trees").normalize();
    Files.createDirectories(trees);
    Files.writeString(
        trees.resolve("a".repeat(40) + ".json"),
        """
        {"format_version": 1, "files": {
         "a.csv": {"size": 2, "blob_id": "%s"},
         "b.csv": {"size": 130, "blob_id": "%s", "lfs_sha256": "%s", "lfs_size": 7}}}
        """
            .formatted("1".repeat(40), "2".repeat(40), "3".repeat(64)));
    assertThat(repository(HubId.MAIN).snapshot().files().get(1).size()).isEqualTo(7);
    assertThatThrownBy(() -> repository(HubId.MAIN).download(List.of("*")))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("b.csv of hub:owner/name@main is not in");
    repository(HubId.MAIN).download(List.of("a.csv"));
  }

  @Test
  void online_the_hub_is_asked_first_and_a_cached_file_is_not_downloaded() throws IOException {
    hub.small("a.jsonl", "1\n");
    Path snapshot = cachedByPython(hub.commit(), Map.of("a.jsonl", "1\n"));
    assertThat(local(repository(HubId.MAIN).download(List.of("*")))).isEqualTo(snapshot);
    assertThat(hub.requests()).singleElement().asString().contains("/revision/main");
    hub.small("a.jsonl", "2\n");
    assertThat(local(repository(HubId.MAIN).download(List.of("*"))).resolve("a.jsonl"))
        .hasContent("2\n");
  }

  @Test
  void what_is_cached_stands_in_for_a_hub_that_refuses_or_is_away_but_not_for_a_lost_revision()
      throws IOException {
    Path snapshot = cachedByPython("a".repeat(40), Map.of("a.jsonl", "1\n"));
    Files.writeString(snapshot.resolve("../../refs/v1").normalize(), "a".repeat(40));
    assertThatThrownBy(() -> repository("v1").snapshot())
        .isInstanceOf(UserError.class)
        .hasMessageContaining("there is no revision 'v1'");
    hub.refuses("GatedRepo");
    assertThat(local(repository(HubId.MAIN).download(List.of("*")))).isEqualTo(snapshot);
    hub.close();
    assertThat(local(repository("a".repeat(40)).download(List.of("*")))).isEqualTo(snapshot);
    assertThatThrownBy(() -> repository(HubId.MAIN).download(List.of("b*")))
        .isInstanceOf(UserError.class);
  }
}
