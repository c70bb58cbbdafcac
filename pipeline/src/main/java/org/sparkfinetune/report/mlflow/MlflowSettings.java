package org.sparkfinetune.report.mlflow;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.net.URI;
import java.util.Base64;
import java.util.Map;
import java.util.Optional;
import org.sparkfinetune.errors.UserError;

/**
 * Which server and experiment, by the environment variables of MLflow's own client: {@code
 * MLFLOW_TRACKING_URI}, {@code MLFLOW_EXPERIMENT_NAME} (Default), and {@code MLFLOW_TRACKING_TOKEN}
 * or {@code MLFLOW_TRACKING_USERNAME} and {@code MLFLOW_TRACKING_PASSWORD}.
 */
public final class MlflowSettings {
  private final URI server;
  private final String experiment;
  private final Optional<String> authorization;

  private MlflowSettings(URI server, String experiment, Optional<String> authorization) {
    this.server = server;
    this.experiment = experiment;
    this.authorization = authorization;
  }

  /**
   * Reads the settings.
   *
   * @throws UserError if there is no address of a server, or secrets would go unencrypted
   */
  public static MlflowSettings of(Map<String, String> environment) {
    Optional<String> authorization = authorization(environment);
    URI server = server(text(environment, "MLFLOW_TRACKING_URI").orElse(""));
    if (authorization.isPresent() && server.getScheme().equals("http") && !isLoopback(server)) {
      throw new UserError(
          "MLFLOW_TRACKING_URI is %s, which is not encrypted, so everybody on the way could read the token or password. Use https, or unset them."
              .formatted(server));
    }
    return new MlflowSettings(
        server, text(environment, "MLFLOW_EXPERIMENT_NAME").orElse("Default"), authorization);
  }

  private static URI server(String given) {
    try {
      URI uri = URI.create(given.endsWith("/") ? given : given + "/");
      String scheme = String.valueOf(uri.getScheme());
      if (uri.getHost() != null && (scheme.equals("http") || scheme.equals("https"))) {
        return uri;
      }
    } catch (IllegalArgumentException e) {
      // The message below says all there is to say.
    }
    throw new UserError(
        "report_to: mlflow needs a tracking server, and MLFLOW_TRACKING_URI is '%s'. Set it in the driver's environment, for example to http://127.0.0.1:5000."
            .formatted(given));
  }

  private static Optional<String> authorization(Map<String, String> environment) {
    return text(environment, "MLFLOW_TRACKING_TOKEN")
        .map(token -> "Bearer " + token)
        .or(
            () ->
                text(environment, "MLFLOW_TRACKING_USERNAME")
                    .map(
                        user ->
                            user + ":" + text(environment, "MLFLOW_TRACKING_PASSWORD").orElse(""))
                    .map(
                        pair ->
                            "Basic " + Base64.getEncoder().encodeToString(pair.getBytes(UTF_8))));
  }

  private static Optional<String> text(Map<String, String> environment, String name) {
    return Optional.ofNullable(environment.get(name))
        .map(String::strip)
        .filter(text -> !text.isEmpty());
  }

  private static boolean isLoopback(URI uri) {
    String host = uri.getHost();
    return host.equals("localhost") || host.startsWith("127.") || host.equals("[::1]");
  }

  /** Ends with a slash. */
  URI server() {
    return server;
  }

  String experiment() {
    return experiment;
  }

  /** The header's value; a secret. */
  Optional<String> authorization() {
    return authorization;
  }
}
