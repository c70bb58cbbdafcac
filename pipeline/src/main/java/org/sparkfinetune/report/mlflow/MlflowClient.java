package org.sparkfinetune.report.mlflow;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.net.HttpURLConnection;
import java.net.URI;
import java.net.URLEncoder;

/** Requests of MLflow's REST interface 2.0; nothing is tried twice. */
final class MlflowClient {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final int SILENCE_MILLIS = 10_000;

  private final MlflowSettings settings;

  MlflowClient(MlflowSettings settings) {
    this.settings = settings;
  }

  /** The server's answer was no. */
  static final class Refused extends IOException {
    private static final long serialVersionUID = 1L;
    private final String code;

    Refused(String code, String message) {
      super(message);
      this.code = code;
    }

    /** MLflow's {@code error_code}; empty where it gave none. */
    String code() {
      return code;
    }
  }

  JsonNode get(String path, String key, String value) throws IOException {
    return answer(connect("%s?%s=%s".formatted(path, key, URLEncoder.encode(value, UTF_8))));
  }

  JsonNode post(String path, ObjectNode body) throws IOException {
    HttpURLConnection connection = connect(path);
    connection.setRequestMethod("POST");
    connection.setDoOutput(true);
    connection.setRequestProperty("Content-Type", "application/json");
    connection.getOutputStream().write(JSON.writeValueAsBytes(body));
    return answer(connection);
  }

  private HttpURLConnection connect(String path) throws IOException {
    URI uri = settings.server().resolve("api/2.0/mlflow/" + path);
    if (!(uri.toURL().openConnection() instanceof HttpURLConnection connection)) {
      throw new IOException(uri + " is no address of a web server");
    }
    connection.setConnectTimeout(SILENCE_MILLIS);
    connection.setReadTimeout(SILENCE_MILLIS);
    // A redirect could take the password elsewhere.
    connection.setInstanceFollowRedirects(false);
    settings
        .authorization()
        .ifPresent(header -> connection.setRequestProperty("Authorization", header));
    return connection;
  }

  private static JsonNode answer(HttpURLConnection connection) throws IOException {
    try {
      int status = connection.getResponseCode();
      if (status / 100 == 2) {
        return JSON.readTree(connection.getInputStream().readAllBytes());
      }
      throw refused(connection, status);
    } finally {
      connection.disconnect();
    }
  }

  private static Refused refused(HttpURLConnection connection, int status) throws IOException {
    byte[] body =
        connection.getErrorStream() == null
            ? new byte[0]
            : connection.getErrorStream().readNBytes(100_000);
    JsonNode said = JSON.createObjectNode();
    try {
      said = JSON.readTree(body);
    } catch (IOException e) {
      // A page of a proxy, perhaps; the status has to do.
    }
    return new Refused(
        said.path("error_code").asText(),
        "status %s %s".formatted(status, said.path("message").asText()).strip());
  }
}
