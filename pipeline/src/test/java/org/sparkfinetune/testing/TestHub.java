package org.sparkfinetune.testing;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Collections;
import java.util.Deque;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.Executors;

/**
 * A hub of one repository on loopback, as the real one answers: a listing, small files served at
 * once, large ones by a redirect to another host. It can also be made to fail.
 */
public final class TestHub implements AutoCloseable {
  private static final ObjectMapper JSON = new ObjectMapper();

  private final String api;
  private final String pages;
  private final HttpServer hub = server(this::hub);
  private final HttpServer store = server(this::store);
  private final Map<String, byte[]> files = new TreeMap<>();
  private final Map<String, Boolean> large = new ConcurrentHashMap<>();
  private final Map<String, Deque<Integer>> breaks = new ConcurrentHashMap<>();
  private final Deque<Integer> statuses = new ArrayDeque<>();
  private final List<String> requests = new CopyOnWriteArrayList<>();
  private Optional<String> token = Optional.empty();
  private Optional<String> errorCode = Optional.empty();
  private boolean ignoresRanges;
  private boolean corrupts;

  private TestHub(String api, String pages, String name) {
    this.api = "/api/" + api + "/" + name + "/revision/";
    this.pages = "/" + pages + name + "/resolve/";
  }

  public static TestHub dataset(String name) {
    return new TestHub("datasets", "datasets/", name);
  }

  public static TestHub model(String name) {
    return new TestHub("models", "", name);
  }

  interface Answer {
    void to(HttpExchange exchange) throws IOException;
  }

  /** On loopback, with threads that do not hold a JVM up. */
  static HttpServer server(Answer answer) {
    try {
      HttpServer server =
          HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
      server.createContext(
          "/",
          exchange -> {
            try (exchange) {
              answer.to(exchange);
            }
          });
      server.setExecutor(
          Executors.newCachedThreadPool(
              task -> {
                Thread thread = new Thread(task, "test-hub");
                thread.setDaemon(true);
                return thread;
              }));
      server.start();
      return server;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  public TestHub small(String path, byte[] bytes) {
    files.put(path, bytes);
    return this;
  }

  public TestHub small(String path, String text) {
    return small(path, text.getBytes(UTF_8));
  }

  /** Kept by its SHA-256, and served by the other host. */
  public TestHub large(String path, byte[] bytes) {
    large.put(path, true);
    return small(path, bytes);
  }

  /** Ends the connection after so many bytes, once for each number. */
  public TestHub breaksAfter(String path, Integer... bytes) {
    breaks.put(path, new ArrayDeque<>(List.of(bytes)));
    return this;
  }

  /** Answers the next requests so. */
  public TestHub answers(Integer... next) {
    statuses.addAll(Arrays.asList(next));
    return this;
  }

  public TestHub needsToken(String needed) {
    token = Optional.of(needed);
    return this;
  }

  public TestHub refuses(String code) {
    errorCode = Optional.of(code);
    return this;
  }

  public TestHub ignoresRanges() {
    ignoresRanges = true;
    return this;
  }

  public TestHub corrupts() {
    corrupts = true;
    return this;
  }

  public TestHub heals() {
    corrupts = false;
    return this;
  }

  public String endpoint() {
    return "http://localhost:" + hub.getAddress().getPort();
  }

  /** Follows from the files, as a commit does. */
  public String commit() {
    MessageDigest digest = digest("SHA-1");
    files.forEach(
        (path, bytes) -> {
          digest.update(path.getBytes(UTF_8));
          digest.update(bytes);
        });
    return HexFormat.of().formatHex(digest.digest());
  }

  /** Method, path, range and whether a token came, of each request to either host. */
  public List<String> requests() {
    return Collections.unmodifiableList(requests);
  }

  public void forgetRequests() {
    requests.clear();
  }

  private void note(String host, HttpExchange exchange) {
    String range = exchange.getRequestHeaders().getFirst("Range");
    String bearer = exchange.getRequestHeaders().getFirst("Authorization");
    requests.add(
        host
            + " "
            + exchange.getRequestURI()
            + (range == null ? "" : " " + range)
            + (bearer == null ? "" : " with token"));
  }

  private void hub(HttpExchange exchange) throws IOException {
    note("hub", exchange);
    Integer status = statuses.poll();
    if (status != null) {
      exchange.getResponseHeaders().set("Retry-After", "0");
      exchange.sendResponseHeaders(status, -1);
      return;
    }
    String bearer = exchange.getRequestHeaders().getFirst("Authorization");
    if (token.isPresent() && !("Bearer " + token.get()).equals(bearer)) {
      exchange.getResponseHeaders().set("X-Error-Code", "RepoNotFound");
      exchange.sendResponseHeaders(401, -1);
    } else if (errorCode.isPresent()) {
      exchange.getResponseHeaders().set("X-Error-Code", errorCode.get());
      exchange.sendResponseHeaders(403, -1);
    } else {
      answer(exchange, exchange.getRequestURI().getPath());
    }
  }

  private void answer(HttpExchange exchange, String path) throws IOException {
    if (path.startsWith(api)) {
      listing(exchange, path.substring(api.length()));
      return;
    }
    String prefix = pages + commit() + "/";
    byte[] bytes = path.startsWith(prefix) ? files.get(path.substring(prefix.length())) : null;
    if (bytes == null) {
      exchange.sendResponseHeaders(404, -1);
    } else if (large.containsKey(path.substring(prefix.length()))) {
      exchange
          .getResponseHeaders()
          .set(
              "Location",
              "http://127.0.0.1:%d/%s?Signature=a%%2Fb"
                  .formatted(
                      store.getAddress().getPort(),
                      exchange.getRequestURI().getRawPath().substring(prefix.length())));
      exchange.sendResponseHeaders(302, -1);
    } else {
      serve(exchange, path.substring(prefix.length()), bytes);
    }
  }

  private void listing(HttpExchange exchange, String revision) throws IOException {
    if (!List.of("main", commit(), "refs/pr/1").contains(revision)) {
      exchange.getResponseHeaders().set("X-Error-Code", "RevisionNotFound");
      exchange.sendResponseHeaders(404, -1);
      return;
    }
    ObjectNode listing = JSON.createObjectNode();
    listing.put("sha", commit());
    var siblings = listing.putArray("siblings");
    files.forEach(
        (path, bytes) -> {
          ObjectNode sibling = siblings.addObject();
          sibling.put("rfilename", path).put("size", bytes.length);
          sibling.put("blobId", gitBlob(bytes));
          if (large.containsKey(path)) {
            sibling.putObject("lfs").put("sha256", sha256(bytes)).put("size", bytes.length);
          }
        });
    byte[] text = JSON.writeValueAsBytes(listing);
    exchange.sendResponseHeaders(200, text.length);
    exchange.getResponseBody().write(text);
  }

  private void store(HttpExchange exchange) throws IOException {
    note("store", exchange);
    String path = exchange.getRequestURI().getPath().substring(1);
    serve(exchange, path, files.get(path));
  }

  private void serve(HttpExchange exchange, String path, byte[] bytes) throws IOException {
    String range = exchange.getRequestHeaders().getFirst("Range");
    int from =
        range == null || ignoresRanges
            ? 0
            : Integer.parseInt(range.substring("bytes=".length(), range.length() - 1));
    byte[] sent = Arrays.copyOfRange(bytes, from, bytes.length);
    if (corrupts) {
      sent[sent.length / 2] ^= 1;
    }
    exchange.sendResponseHeaders(from > 0 ? 206 : 200, sent.length == 0 ? -1 : sent.length);
    Integer breakAfter = breaks.getOrDefault(path, new ArrayDeque<>()).poll();
    exchange
        .getResponseBody()
        .write(sent, 0, breakAfter == null ? sent.length : Math.min(breakAfter, sent.length));
    exchange.getResponseBody().flush();
  }

  private static String gitBlob(byte[] bytes) {
    byte[] header = ("blob " + bytes.length + "\0").getBytes(UTF_8);
    byte[] all = ByteBuffer.allocate(header.length + bytes.length).put(header).put(bytes).array();
    return HexFormat.of().formatHex(digest("SHA-1").digest(all));
  }

  private static String sha256(byte[] bytes) {
    return HexFormat.of().formatHex(digest("SHA-256").digest(bytes));
  }

  private static MessageDigest digest(String name) {
    try {
      return MessageDigest.getInstance(name);
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
