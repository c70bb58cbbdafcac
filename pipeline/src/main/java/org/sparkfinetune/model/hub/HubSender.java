package org.sparkfinetune.model.hub;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.HttpURLConnection;
import java.net.URI;
import java.util.Optional;
import org.sparkfinetune.model.hub.HubClient.HubAnswer;
import org.sparkfinetune.model.hub.HubUpload.Upload;

/** Sends to a hub, and to the hosts that it names for large files: one request a call. */
final class HubSender {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final int BUFFER = 1 << 18;

  private final HubId id;
  private final HubSettings settings;

  HubSender(HubId id, HubSettings settings) {
    this.id = id;
    this.settings = settings;
  }

  /** What the hub answers. */
  record Answer(int status, JsonNode body) {}

  /** An address that the hub named. */
  URI resolved(String address) throws IOException {
    try {
      URI uri = settings.endpoint().resolve(address);
      if (settings.endpoint().getScheme().equals("https") && !"https".equals(uri.getScheme())) {
        throw new IOException(
            "the hub would have files sent to %s, which is not encrypted".formatted(uri.getHost()));
      }
      return uri;
    } catch (IllegalArgumentException e) {
      throw new IOException("the hub would have files sent to '%s'".formatted(address), e);
    }
  }

  Answer post(URI uri, String type, JsonNode body, int... alsoFine) throws IOException {
    return post(uri, type, body.toString().getBytes(UTF_8), alsoFine);
  }

  /**
   * @param alsoFine statuses that are no refusal
   */
  Answer post(URI uri, String type, byte[] body, int... alsoFine) throws IOException {
    HttpURLConnection connection = open(uri, "POST", body.length);
    connection.setRequestProperty("Content-Type", type);
    connection.setRequestProperty("Accept", type.endsWith("ndjson") ? "application/json" : type);
    try (OutputStream out = connection.getOutputStream()) {
      out.write(body);
    }
    try (HubAnswer answer = new HubAnswer(connection)) {
      for (int fine : alsoFine) {
        if (answer.status() == fine) {
          return new Answer(fine, JSON.createObjectNode());
        }
      }
      HubRefusal.checkSent(answer, id, settings);
      try (InputStream in = answer.body()) {
        byte[] bytes = in.readAllBytes();
        return new Answer(
            answer.status(), bytes.length == 0 ? JSON.createObjectNode() : JSON.readTree(bytes));
      } catch (JsonProcessingException e) {
        throw HubListing.unlikeAHub("it is no JSON");
      }
    }
  }

  /**
   * Some bytes of a file.
   *
   * @return the ETag that they got
   */
  String put(URI uri, Upload file, long from, long count) throws IOException {
    HttpURLConnection connection = open(uri, "PUT", count);
    try (InputStream in = file.content().open();
        OutputStream out = connection.getOutputStream()) {
      in.skipNBytes(from);
      byte[] buffer = new byte[BUFFER];
      for (long left = count; left > 0; ) {
        int read = in.read(buffer, 0, (int) Math.min(left, buffer.length));
        if (read < 0) {
          throw new IOException(file.path() + " is shorter than it was a moment ago");
        }
        out.write(buffer, 0, read);
        left -= read;
      }
    }
    try (HubAnswer answer = new HubAnswer(connection)) {
      if (answer.status() / 100 != 2) {
        throw new IOException(
            "%s answers with status %s".formatted(uri.getHost(), answer.status()));
      }
      return answer.header("ETag").orElse("");
    }
  }

  private HttpURLConnection open(URI uri, String method, long bytes) throws IOException {
    if (!(uri.toURL().openConnection() instanceof HttpURLConnection connection)) {
      throw new IOException(uri + " is no address of a web server");
    }
    int silence = (int) settings.silence().toMillis();
    connection.setConnectTimeout(silence);
    connection.setReadTimeout(silence);
    // Redirected, a POST would become a GET.
    connection.setInstanceFollowRedirects(false);
    connection.setRequestMethod(method);
    connection.setDoOutput(true);
    connection.setFixedLengthStreamingMode(bytes);
    connection.setRequestProperty("User-Agent", "spark-finetune");
    Optional<HubSettings.HubToken> token = settings.token().filter(t -> settings.isHub(uri));
    token.ifPresent(t -> connection.setRequestProperty("Authorization", t.header()));
    return connection;
  }
}
