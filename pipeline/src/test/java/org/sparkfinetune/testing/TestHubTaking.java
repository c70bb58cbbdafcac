package org.sparkfinetune.testing;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Base64;
import java.util.Deque;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;

/**
 * A hub on loopback that takes files as the real one does: repositories are made, large files go to
 * another host in one piece or in parts, a commit names all. It can be made to refuse and to fail.
 */
public final class TestHubTaking implements AutoCloseable {
  private static final ObjectMapper JSON = new ObjectMapper();

  private final HttpServer hub = TestHub.server(this::hub);
  private final HttpServer store = TestHub.server(this::store);
  private final Map<String, byte[]> stored = new ConcurrentHashMap<>();
  private final Map<String, byte[]> files = new TreeMap<>();
  private final List<String> requests = new CopyOnWriteArrayList<>();
  private final Deque<Integer> storeStatuses = new ArrayDeque<>();
  private Optional<Integer> creation = Optional.empty();
  private Optional<JsonNode> created = Optional.empty();
  private String summary = "";
  private int partBytes;

  public String endpoint() {
    return "http://localhost:" + hub.getAddress().getPort();
  }

  /** Large files are taken in parts of so many bytes. */
  public TestHubTaking inParts(int bytes) {
    partBytes = bytes;
    return this;
  }

  /** How the wish for a repository is answered. */
  public TestHubTaking creation(int status) {
    creation = Optional.of(status);
    return this;
  }

  /** Answers of the other host to the next files. */
  public TestHubTaking storeAnswers(Integer... statuses) {
    storeStatuses.addAll(Arrays.asList(statuses));
    return this;
  }

  /** What the commits left, by path. */
  public Map<String, byte[]> files() {
    return files;
  }

  public String text(String path) {
    return new String(files.get(path), UTF_8);
  }

  public List<String> requests() {
    return requests;
  }

  public void forgetRequests() {
    requests.clear();
  }

  public JsonNode created() {
    return created.orElseThrow();
  }

  public String summary() {
    return summary;
  }

  private void hub(HttpExchange exchange) throws IOException {
    String path = exchange.getRequestURI().getPath();
    requests.add(exchange.getRequestMethod() + " " + path);
    byte[] body = exchange.getRequestBody().readAllBytes();
    if (path.startsWith("/complete/")) {
      // The address itself is the permission.
      complete(path.substring("/complete/".length()), JSON.readTree(body));
      answer(exchange, 200, "{}");
    } else if (!"Bearer hf_write".equals(exchange.getRequestHeaders().getFirst("Authorization"))) {
      exchange.getResponseHeaders().set("X-Error-Message", "Invalid username or password.");
      answer(exchange, 401, "");
    } else if (path.equals("/api/repos/create")) {
      created = Optional.of(JSON.readTree(body));
      answer(exchange, creation.orElse(200), "{\"url\": \"" + endpoint() + "/owner/name\"}");
    } else if (path.equals("/api/models/owner/name/preupload/main")) {
      answer(exchange, 200, modes(JSON.readTree(body)).toString());
    } else if (path.equals("/owner/name.git/info/lfs/objects/batch")) {
      answer(exchange, 200, actions(JSON.readTree(body)).toString());
    } else if (path.startsWith("/verify")) {
      JsonNode claim = JSON.readTree(body);
      byte[] bytes = stored.get(claim.path("oid").asText());
      boolean right = bytes != null && bytes.length == claim.path("size").asLong();
      answer(exchange, right ? 200 : 422, "");
    } else if (path.equals("/api/models/owner/name/commit/main")) {
      commit(new String(body, UTF_8));
      answer(
          exchange,
          200,
          "{\"commitUrl\": \"" + endpoint() + "/owner/name/commit/1\", \"commitOid\": \"1\"}");
    } else {
      exchange.getResponseHeaders().set("X-Error-Message", "Repository not found");
      answer(exchange, 404, "");
    }
  }

  private static void answer(HttpExchange exchange, int status, String text) throws IOException {
    byte[] bytes = text.getBytes(UTF_8);
    exchange.sendResponseHeaders(status, bytes.length == 0 ? -1 : bytes.length);
    exchange.getResponseBody().write(bytes);
  }

  private static ObjectNode modes(JsonNode asked) {
    ObjectNode answer = JSON.createObjectNode();
    var list = answer.putArray("files");
    for (JsonNode file : asked.path("files")) {
      byte[] sample = Base64.getDecoder().decode(file.path("sample").asText());
      if (sample.length != Math.min(512, file.path("size").asLong())) {
        throw new IllegalStateException("a sample of " + sample.length);
      }
      String path = file.path("path").asText();
      boolean large = path.endsWith(".safetensors") || path.endsWith(".gguf");
      list.addObject()
          .put("path", path)
          .put("uploadMode", large ? "lfs" : "regular")
          .put("shouldIgnore", false);
    }
    return answer;
  }

  private ObjectNode actions(JsonNode asked) {
    ObjectNode answer = JSON.createObjectNode().put("transfer", "basic");
    JsonNode object = asked.path("objects").path(0);
    String oid = object.path("oid").asText();
    long size = object.path("size").asLong();
    ObjectNode one = answer.putArray("objects").addObject().put("oid", oid).put("size", size);
    if (stored.containsKey(oid)) {
      return answer;
    }
    String host = "http://127.0.0.1:%d/".formatted(store.getAddress().getPort());
    ObjectNode actions = one.putObject("actions");
    ObjectNode upload = actions.putObject("upload");
    actions.putObject("verify").put("href", endpoint() + "/verify");
    if (partBytes == 0) {
      upload.put("href", host + oid + "?Signature=a%2Fb");
      return answer;
    }
    upload.put("href", endpoint() + "/complete/" + oid);
    ObjectNode header = upload.putObject("header").put("chunk_size", "" + partBytes);
    for (int part = 1; (part - 1L) * partBytes < size; part++) {
      header.put("%05d".formatted(part), host + oid + "/" + part);
    }
    return answer;
  }

  private void store(HttpExchange exchange) throws IOException {
    String path = exchange.getRequestURI().getPath().substring(1);
    boolean token = exchange.getRequestHeaders().containsKey("Authorization");
    requests.add("store " + path.replaceAll("[0-9a-f]{64}", "OID") + (token ? " with token" : ""));
    byte[] body = exchange.getRequestBody().readAllBytes();
    Integer status = storeStatuses.poll();
    if (status != null) {
      answer(exchange, status, "");
      return;
    }
    stored.put(path, body);
    exchange.getResponseHeaders().set("ETag", "\"" + path.substring(path.indexOf('/') + 1) + "\"");
    answer(exchange, 200, "");
  }

  private void complete(String oid, JsonNode claim) {
    ByteArrayOutputStream whole = new ByteArrayOutputStream();
    for (JsonNode part : claim.path("parts")) {
      String number = part.path("partNumber").asText();
      if (!part.path("etag").asText().equals("\"" + number + "\"")) {
        throw new IllegalStateException("ETag of " + part);
      }
      whole.writeBytes(stored.get(oid + "/" + number));
    }
    stored.put(oid, whole.toByteArray());
  }

  private void commit(String lines) throws IOException {
    for (String line : lines.split("\n", -1)) {
      JsonNode json = line.isEmpty() ? JSON.createObjectNode() : JSON.readTree(line);
      JsonNode value = json.path("value");
      String path = value.path("path").asText();
      switch (json.path("key").asText()) {
        case "header" -> summary = value.path("summary").asText();
        case "file" -> files.put(path, Base64.getDecoder().decode(value.path("content").asText()));
        case "lfsFile" -> {
          byte[] bytes = stored.get(value.path("oid").asText());
          if (!sha256(bytes).equals(value.path("oid").asText())) {
            throw new IllegalStateException(path + " has another checksum");
          }
          files.put(path, bytes);
        }
        default -> {}
      }
    }
  }

  private static String sha256(byte[] bytes) {
    try {
      return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }

  @Override
  public void close() {
    hub.stop(0);
    store.stop(0);
  }
}
