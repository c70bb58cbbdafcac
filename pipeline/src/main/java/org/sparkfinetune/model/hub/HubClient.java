package org.sparkfinetune.model.hub;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.io.JsonEOFException;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.InputStream;
import java.net.HttpURLConnection;
import java.net.URI;
import java.net.URLEncoder;
import java.util.Arrays;
import java.util.Optional;
import java.util.stream.Collectors;
import org.sparkfinetune.model.hub.HubRepository.HubSnapshot;

/** Speaks to a hub: one request a call, redirects followed, nothing tried twice. */
final class HubClient {
  private static final int MOST_REDIRECTS = 10;
  private static final ObjectMapper JSON = new ObjectMapper();

  private final HubId id;
  private final HubSettings settings;

  HubClient(HubId id, HubSettings settings) {
    this.id = id;
    this.settings = settings;
  }

  /** What the revision holds at this moment. */
  HubSnapshot snapshot() throws IOException {
    URI uri =
        settings
            .endpoint()
            .resolve(
                "%s%s/revision/%s?blobs=true"
                    .formatted(id.kind().api(), id.name(), quoted(id.revision())));
    try (HubAnswer answer = get(uri, 0)) {
      HubRefusal.check(answer, id, settings);
      try (InputStream body = answer.body()) {
        return HubListing.read(JSON.readTree(body));
      } catch (JsonEOFException e) {
        throw new IOException("the connection ended in the listing", e);
      } catch (JsonProcessingException e) {
        throw HubListing.unlikeAHub("it is no JSON");
      }
    }
  }

  /** A file's bytes from {@code from} on; the answer's status says whether the server skips. */
  HubAnswer open(String commit, HubFile file, long from) throws IOException {
    String path =
        Arrays.stream(file.path().split("/"))
            .map(HubClient::quoted)
            .collect(Collectors.joining("/"));
    URI uri =
        settings
            .endpoint()
            .resolve("%s%s/resolve/%s/%s".formatted(id.kind().pages(), id.name(), commit, path));
    HubAnswer answer = get(uri, from);
    HubRefusal.check(answer, id, settings);
    return answer;
  }

  private HubAnswer get(URI first, long from) throws IOException {
    URI uri = first;
    for (int i = 0; i <= MOST_REDIRECTS; i++) {
      HubAnswer answer = new HubAnswer(connect(uri, from));
      String location = answer.header("Location").orElse("");
      if (answer.status() / 100 != 3 || location.isEmpty()) {
        return answer;
      }
      answer.close();
      URI next = resolved(uri, location);
      if (uri.getScheme().equals("https") && !"https".equals(next.getScheme())) {
        throw new IOException("%s sends on to %s, which is not encrypted".formatted(uri, next));
      }
      uri = next;
    }
    throw new IOException("%s sends on more than %s times".formatted(first, MOST_REDIRECTS));
  }

  private static URI resolved(URI uri, String location) throws IOException {
    try {
      return uri.resolve(location);
    } catch (IllegalArgumentException e) {
      throw new IOException("%s sends on to '%s'".formatted(uri, location), e);
    }
  }

  private HttpURLConnection connect(URI uri, long from) throws IOException {
    if (!(uri.toURL().openConnection() instanceof HttpURLConnection connection)) {
      throw new IOException(uri + " is no address of a web server");
    }
    int silence = (int) settings.silence().toMillis();
    connection.setConnectTimeout(silence);
    connection.setReadTimeout(silence);
    connection.setInstanceFollowRedirects(false);
    connection.setRequestProperty("User-Agent", "spark-finetune");
    // Compressed on the way, ranges and sizes would mean other bytes than the file's.
    connection.setRequestProperty("Accept-Encoding", "identity");
    if (from > 0) {
      connection.setRequestProperty("Range", "bytes=" + from + "-");
    }
    settings
        .token()
        .filter(token -> settings.isHub(uri))
        .ifPresent(token -> connection.setRequestProperty("Authorization", token.header()));
    return connection;
  }

  private static String quoted(String text) {
    return URLEncoder.encode(text, UTF_8).replace("+", "%20");
  }

  /** Whether the hub may be asked, or only what was downloaded before counts. */
  enum HubAccess {
    ONLINE,
    OFFLINE
  }

  /** A response whose headers have come. */
  static final class HubAnswer implements AutoCloseable {
    private final HttpURLConnection connection;
    private final int status;

    HubAnswer(HttpURLConnection connection) throws IOException {
      this.connection = connection;
      this.status = connection.getResponseCode();
    }

    int status() {
      return status;
    }

    Optional<String> header(String name) {
      return Optional.ofNullable(connection.getHeaderField(name));
    }

    InputStream body() throws IOException {
      return connection.getInputStream();
    }

    @Override
    public void close() {
      connection.disconnect();
    }
  }
}
