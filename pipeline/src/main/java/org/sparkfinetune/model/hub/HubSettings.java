package org.sparkfinetune.model.hub;

import java.io.IOException;
import java.net.URI;
import java.time.Duration;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.security.alias.CredentialProvider;
import org.apache.hadoop.security.alias.CredentialProviderFactory;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.model.hub.HubClient.HubAccess;
import org.sparkfinetune.store.Retry;

/**
 * Which hub, where its files go, and as whom. Hadoop's configuration wins over the environment,
 * whose names are those of the hub's own library:
 *
 * <table>
 * <caption>Settings</caption>
 * <tr><td>{@value #ENDPOINT}</td><td>{@code HF_ENDPOINT}</td><td>https://huggingface.co</td></tr>
 * <tr><td>{@value #CACHE}</td><td>{@code HF_HUB_CACHE}, {@code HF_HOME}/hub</td>
 *     <td>.cache/huggingface/hub in the home folder of the default file system</td></tr>
 * <tr><td>{@value #OFFLINE}</td><td>{@code HF_HUB_OFFLINE}</td><td>false</td></tr>
 * <tr><td>{@value #TOKEN} in a credential provider</td><td>{@code HF_TOKEN}</td><td>none</td></tr>
 * </table>
 *
 * A token is never taken from plain configuration, which ends in logs and web pages.
 */
public final class HubSettings {
  static final String ENDPOINT = "finetune.hub.endpoint";
  static final String CACHE = "finetune.hub.cache";
  static final String OFFLINE = "finetune.hub.offline";
  static final String TOKEN = "finetune.hub.token";

  private static final String PUBLIC_HUB = "https://huggingface.co";

  private final URI endpoint;
  private final Path cache;
  private final HubAccess access;
  private final Optional<HubToken> token;
  private final Retry retry;
  private final Duration silence;

  private HubSettings(
      URI endpoint,
      Path cache,
      HubAccess access,
      Optional<HubToken> token,
      Retry retry,
      Duration silence) {
    this.endpoint = endpoint;
    this.cache = cache;
    this.access = access;
    this.token = token;
    this.retry = retry;
    this.silence = silence;
  }

  /**
   * Reads the settings of this process.
   *
   * @throws UserError if one of them makes no sense
   */
  public static HubSettings of(Configuration hadoop) {
    return of(hadoop, System.getenv());
  }

  static HubSettings of(Configuration hadoop, Map<String, String> environment) {
    try {
      if (hadoop.get(TOKEN) != null) {
        throw new UserError(
            "%s is set in plain configuration, where logs and web pages show it. Put it into a credential provider (hadoop.security.credential.provider.path), or use the environment's HF_TOKEN."
                .formatted(TOKEN));
      }
      URI endpoint = endpoint(setting(hadoop, ENDPOINT, environment, "HF_ENDPOINT"));
      Optional<HubToken> token = token(hadoop, environment);
      refuseToShowToken(endpoint, token);
      return new HubSettings(
          endpoint,
          cache(hadoop, environment),
          access(setting(hadoop, OFFLINE, environment, "HF_HUB_OFFLINE")),
          token,
          retry(6, Duration.ofSeconds(1)),
          Duration.ofSeconds(60));
    } catch (IOException e) {
      throw new UserError("The settings of the hub cannot be read: " + e.getMessage(), e);
    }
  }

  /** Attempts in a row without a byte more than before. */
  static Retry retry(int attempts, Duration pause) {
    return Retry.backoff(attempts, pause, IOException.class::isInstance);
  }

  HubSettings with(Retry otherRetry, Duration otherSilence) {
    return new HubSettings(endpoint, cache, access, token, otherRetry, otherSilence);
  }

  private static Optional<String> setting(
      Configuration hadoop, String key, Map<String, String> environment, String variable) {
    return Optional.ofNullable(hadoop.getTrimmed(key))
        .or(() -> Optional.ofNullable(environment.get(variable)).map(String::strip))
        .filter(text -> !text.isEmpty());
  }

  private static URI endpoint(Optional<String> text) {
    String given = text.orElse(PUBLIC_HUB);
    try {
      URI uri = URI.create(given.endsWith("/") ? given : given + "/");
      String scheme = String.valueOf(uri.getScheme());
      if (uri.getHost() != null && (scheme.equals("https") || scheme.equals("http"))) {
        return uri;
      }
    } catch (IllegalArgumentException e) {
      // The message below says all there is to say.
    }
    throw new UserError(
        "%s (HF_ENDPOINT): '%s' is no address of a hub. Write one like %s."
            .formatted(ENDPOINT, given, PUBLIC_HUB));
  }

  private static Path cache(Configuration hadoop, Map<String, String> environment)
      throws IOException {
    Optional<String> given =
        setting(hadoop, CACHE, environment, "HF_HUB_CACHE")
            .or(() -> Optional.ofNullable(environment.get("HF_HOME")).map(home -> home + "/hub"))
            .map(
                text ->
                    text.startsWith("~/")
                        ? System.getProperty("user.home") + text.substring(1)
                        : text);
    Path path =
        given.map(Path::new).orElseGet(() -> new Path(home(hadoop), ".cache/huggingface/hub"));
    return path.getFileSystem(hadoop).makeQualified(path);
  }

  private static Path home(Configuration hadoop) {
    try {
      return FileSystem.get(hadoop).getHomeDirectory();
    } catch (IOException e) {
      throw new UserError("The default file system cannot be used: " + e.getMessage(), e);
    }
  }

  private static HubAccess access(Optional<String> text) {
    return switch (text.orElse("false").toLowerCase(Locale.ROOT)) {
      case "1", "true", "yes", "on" -> HubAccess.OFFLINE;
      case "0", "false", "no", "off" -> HubAccess.ONLINE;
      default ->
          throw new UserError(
              "%s (HF_HUB_OFFLINE): '%s'; allowed are true and false."
                  .formatted(OFFLINE, text.orElse("")));
    };
  }

  private static Optional<HubToken> token(Configuration hadoop, Map<String, String> environment)
      throws IOException {
    for (CredentialProvider provider : CredentialProviderFactory.getProviders(hadoop)) {
      CredentialProvider.CredentialEntry entry = provider.getCredentialEntry(TOKEN);
      if (entry != null) {
        return Optional.of(new HubToken(new String(entry.getCredential())));
      }
    }
    return Optional.ofNullable(environment.get("HF_TOKEN"))
        .map(String::strip)
        .filter(text -> !text.isEmpty())
        .map(HubToken::new);
  }

  private static void refuseToShowToken(URI endpoint, Optional<HubToken> token) {
    String host = endpoint.getHost();
    boolean loopback = host.equals("localhost") || host.startsWith("127.") || host.equals("[::1]");
    if (token.isPresent() && endpoint.getScheme().equals("http") && !loopback) {
      throw new UserError(
          "%s (HF_ENDPOINT): %s is not encrypted, so everybody on the way could read the token. Use https, or unset the token."
              .formatted(ENDPOINT, endpoint));
    }
  }

  /** Ends with a slash. */
  URI endpoint() {
    return endpoint;
  }

  /** Whether the token may go there: large files lie on other hosts, which must not see it. */
  boolean isHub(URI uri) {
    return endpoint.getScheme().equals(uri.getScheme())
        && endpoint.getAuthority().equals(uri.getAuthority());
  }

  Path cache() {
    return cache;
  }

  HubAccess access() {
    return access;
  }

  Optional<HubToken> token() {
    return token;
  }

  Retry retry() {
    return retry;
  }

  /** After which a connection counts as dead. */
  Duration silence() {
    return silence;
  }

  /** A secret: it never shows in a log, a message or a file. */
  static final class HubToken {
    private final String secret;

    HubToken(String secret) {
      this.secret = secret;
    }

    String header() {
      return "Bearer " + secret;
    }

    @Override
    public String toString() {
      return "(a token)";
    }
  }
}
