package org.sparkfinetune.model.hub;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;
import org.apache.commons.codec.digest.DigestUtils;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.model.hub.HubClient.HubAccess;
import org.sparkfinetune.model.hub.HubRepository.HubKind;
import org.sparkfinetune.store.Retry;
import org.sparkfinetune.store.Store;

/**
 * Puts files into a model repository of a hub, all in one commit on {@code main}, as {@code
 * huggingface_hub} does: the hub says of each file whether it is small (its bytes are in the
 * commit) or large (git LFS: its bytes go where the hub says, in one piece or in parts, unless it
 * has them already); then the commit names them all. What breaks off before the commit changes
 * nothing that others see, and files that had arrived are not sent again.
 */
public final class HubUpload {
  private static final Logger LOG = LoggerFactory.getLogger(HubUpload.class);
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final String LFS = "application/vnd.git-lfs+json";
  private static final String PLAIN = "application/json";
  private static final String LINES = "application/x-ndjson";
  private static final int SAMPLE = 512;
  private static final int BUFFER = 1 << 18;

  private final HubId id;
  private final HubSettings settings;
  private final HubSender sender;
  private Optional<UserError> notCreated = Optional.empty();

  private HubUpload(HubId id, HubSettings settings) {
    this.id = id;
    this.settings = settings;
    this.sender = new HubSender(id, settings);
  }

  /**
   * A repository that may be written to; made if it is not there.
   *
   * @param name {@code owner/name}
   * @param isPrivate for a new one; without it what the owner's settings say
   * @throws UserError if the hub would not take it: no token, offline, no such owner
   */
  public static HubUpload to(String name, Optional<Boolean> isPrivate, Store store) {
    return to(name, isPrivate, HubSettings.of(store.hadoop()));
  }

  static HubUpload to(String name, Optional<Boolean> isPrivate, HubSettings settings) {
    HubId id = new HubId(HubKind.MODEL, name, HubId.MAIN);
    if (settings.access() == HubAccess.OFFLINE) {
      throw new UserError(
          "push_to is %s, but the hub may not be asked (HF_HUB_OFFLINE, %s). Go online, or leave push_to out."
              .formatted(name, HubSettings.OFFLINE));
    }
    if (settings.token().isEmpty()) {
      throw new UserError(
          "push_to is %s, and %s takes files from those with a token only. Let HF_TOKEN hold one that may write there."
              .formatted(name, settings.endpoint()));
    }
    HubUpload upload = new HubUpload(id, settings);
    upload.create(isPrivate);
    return upload;
  }

  private void create(Optional<Boolean> isPrivate) {
    String[] parts = id.name().split("/", 2);
    ObjectNode body = JSON.createObjectNode().put("name", parts[1]).put("organization", parts[0]);
    isPrivate.ifPresent(value -> body.put("private", value));
    try {
      sending("made", () -> sender.post(uri("api/repos/create"), PLAIN, body, 409));
    } catch (UserError e) {
      // A token may be allowed to write to a repository that is there and not to make one.
      notCreated = Optional.of(e);
    }
  }

  /**
   * One commit with these files beside what is there.
   *
   * @return the address of the commit, as the hub says it
   * @throws UserError if the hub refuses
   * @throws RunFailure if it fails, or a file cannot be read
   */
  public String commit(List<Upload> files, String summary) {
    Map<String, String> modes = new HashMap<>();
    for (int from = 0; from < files.size(); from += 256) {
      modes.putAll(modes(files.subList(from, Math.min(files.size(), from + 256))));
    }
    ByteArrayOutputStream lines = new ByteArrayOutputStream();
    ObjectNode header = JSON.createObjectNode().put("summary", summary).put("description", "");
    line(lines, "header", header);
    for (Upload file : files) {
      boolean isLarge = file.size() > 0 && "lfs".equals(modes.get(file.path()));
      ObjectNode value = JSON.createObjectNode().put("path", file.path());
      if (isLarge) {
        String sha256 = sha256(file);
        sendLarge(file, sha256);
        line(
            lines,
            "lfsFile",
            value.put("algo", "sha256").put("oid", sha256).put("size", file.size()));
      } else {
        String content = Base64.getEncoder().encodeToString(read(file, Integer.MAX_VALUE));
        line(lines, "file", value.put("content", content).put("encoding", "base64"));
      }
    }
    JsonNode done =
        sending(
            "committed", () -> sender.post(uri(api("commit")), LINES, lines.toByteArray()).body());
    return done.path("commitUrl").asText(settings.endpoint() + id.name());
  }

  /** What the hub keeps small and what large. */
  private Map<String, String> modes(List<Upload> files) {
    ObjectNode body = JSON.createObjectNode();
    ArrayNode list = body.putArray("files");
    for (Upload file : files) {
      list.addObject()
          .put("path", file.path())
          .put("sample", Base64.getEncoder().encodeToString(read(file, SAMPLE)))
          .put("size", file.size());
    }
    try {
      JsonNode answer =
          sending("asked", () -> sender.post(uri(api("preupload")), PLAIN, body).body());
      Map<String, String> modes = new HashMap<>();
      answer
          .path("files")
          .forEach(file -> modes.put(file.path("path").asText(), file.path("uploadMode").asText()));
      return modes;
    } catch (UserError e) {
      throw notCreated.orElse(e);
    }
  }

  private void sendLarge(Upload file, String sha256) {
    ObjectNode body = JSON.createObjectNode().put("operation", "upload").put("hash_algo", "sha256");
    body.putArray("transfers").add("basic").add("multipart");
    body.putObject("ref").put("name", id.revision());
    body.putArray("objects").addObject().put("oid", sha256).put("size", file.size());
    sending(
        file.path(),
        () -> {
          // Addresses to send to are good for a while only, so each attempt asks for them.
          JsonNode object =
              sender
                  .post(uri(id.name() + ".git/info/lfs/objects/batch"), LFS, body)
                  .body()
                  .path("objects")
                  .path(0);
          if (object.has("error")) {
            throw new UserError(
                "%s: the hub does not take %s: %s"
                    .formatted(id, file.path(), object.path("error").path("message").asText()));
          }
          JsonNode upload = object.path("actions").path("upload");
          if (upload.isMissingNode()) {
            LOG.info("{}: {} is there already", id, file.path());
            return object;
          }
          LOG.info("{}: sending {} ({} MiB)", id, file.path(), file.size() >> 20);
          if (upload.path("header").has("chunk_size")) {
            sendParts(file, sha256, upload);
          } else {
            sender.put(sender.resolved(upload.path("href").asText()), file, 0, file.size());
          }
          verify(object.path("actions").path("verify"), file, sha256);
          return object;
        });
  }

  private void sendParts(Upload file, String sha256, JsonNode upload) throws IOException {
    SortedMap<Integer, String> addresses = new TreeMap<>();
    upload
        .path("header")
        .fields()
        .forEachRemaining(
            entry -> {
              if (entry.getKey().matches("\\d{1,9}")) {
                addresses.put(Integer.valueOf(entry.getKey()), entry.getValue().asText());
              }
            });
    long size = upload.path("header").path("chunk_size").asLong();
    if (size <= 0 || addresses.size() != (file.size() + size - 1) / size) {
      throw HubListing.unlikeAHub("it has not as many addresses as parts of " + file.path());
    }
    ObjectNode body = JSON.createObjectNode().put("oid", sha256);
    ArrayNode parts = body.putArray("parts");
    long from = 0;
    for (String address : new ArrayList<>(addresses.values())) {
      long count = Math.min(size, file.size() - from);
      String etag = sender.put(sender.resolved(address), file, from, count);
      int number = parts.size() + 1;
      parts.addObject().put("partNumber", number).put("etag", etag);
      from += count;
    }
    sender.post(sender.resolved(upload.path("href").asText()), LFS, body);
  }

  private void verify(JsonNode verify, Upload file, String sha256) throws IOException {
    if (!verify.isMissingNode()) {
      ObjectNode body = JSON.createObjectNode().put("oid", sha256).put("size", file.size());
      sender.post(sender.resolved(verify.path("href").asText()), PLAIN, body);
    }
  }

  private static void line(ByteArrayOutputStream lines, String key, ObjectNode value) {
    ObjectNode line = JSON.createObjectNode().put("key", key);
    line.set("value", value);
    lines.writeBytes((line + "\n").getBytes(UTF_8));
  }

  private String api(String what) {
    return "api/models/%s/%s/%s".formatted(id.name(), what, id.revision());
  }

  private URI uri(String path) {
    return settings.endpoint().resolve(path);
  }

  private static byte[] read(Upload file, int most) {
    try (InputStream in = file.content().open()) {
      return in.readNBytes(most);
    } catch (IOException e) {
      throw new RunFailure("%s cannot be read: %s".formatted(file.path(), e.getMessage()), e);
    }
  }

  private static String sha256(Upload file) {
    MessageDigest digest = DigestUtils.getSha256Digest();
    byte[] buffer = new byte[BUFFER];
    try (InputStream in = file.content().open()) {
      for (int read = in.read(buffer); read > 0; read = in.read(buffer)) {
        digest.update(buffer, 0, read);
      }
    } catch (IOException e) {
      throw new RunFailure("%s cannot be read: %s".formatted(file.path(), e.getMessage()), e);
    }
    return HexFormat.of().formatHex(digest.digest());
  }

  private interface Sending<T> {
    T send() throws IOException;
  }

  private <T> T sending(String what, Sending<T> sending) {
    try {
      return settings.retry().call(id + ": " + what, progressed -> sending.send());
    } catch (IOException e) {
      throw new RunFailure(
          "%s cannot be sent to %s (%s): %s. Nothing was committed; start again, and what has arrived is not sent twice."
              .formatted(id, settings.endpoint(), what, Retry.reason(e)),
          e);
    }
  }

  /**
   * A file to be sent.
   *
   * @param path in the repository
   * @param size bytes
   */
  public record Upload(String path, long size, Content content) {
    /** A short text. */
    public static Upload of(String path, String text) {
      byte[] bytes = text.getBytes(UTF_8);
      return new Upload(path, bytes.length, () -> new java.io.ByteArrayInputStream(bytes));
    }
  }

  /** Opens a file's bytes, as often as is asked. */
  @FunctionalInterface
  public interface Content {
    InputStream open() throws IOException;
  }
}
