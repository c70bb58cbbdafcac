package org.sparkfinetune.model.hub;

import java.io.IOException;
import java.io.InputStream;
import java.net.HttpURLConnection;
import java.util.Optional;

/** A response whose headers have come. */
final class HubAnswer implements AutoCloseable {
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
