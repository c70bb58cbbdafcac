package org.sparkfinetune.model.hub;

import java.io.IOException;
import java.time.Duration;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.model.hub.HubClient.HubAnswer;
import org.sparkfinetune.store.Retry;

/** From a status that is no success to what its user should do, or to another attempt. */
final class HubRefusal {
  private HubRefusal() {}

  /** The hub may answer better later. */
  static final class Busy extends IOException implements Retry.Delayed {
    private static final long serialVersionUID = 1L;
    private final Duration delay;

    Busy(String message, Duration delay) {
      super(message);
      this.delay = delay;
    }

    @Override
    public Duration delay() {
      return delay;
    }
  }

  /** Why a hub that knows the repository refuses: it has no such revision. */
  static final class NoRevision extends Exception {
    private static final long serialVersionUID = 1L;
  }

  /**
   * @throws UserError if asking again would not help
   * @throws Busy if it may
   */
  static void check(HubAnswer answer, HubId id, HubSettings settings) throws IOException {
    int status = answer.status();
    if (status / 100 == 2 || status == 416) {
      return;
    }
    String code = answer.header("X-Error-Code").orElse("");
    answer.close();
    if (status == 408 || status == 429 || status >= 500) {
      throw new Busy("the hub answers with status " + status, delay(answer));
    }
    String message =
        "%s: %s (%s answers with status %s). %s"
            .formatted(
                id,
                what(code, status, id),
                settings.endpoint(),
                status,
                advice(code, id, settings));
    throw code.equals("RevisionNotFound")
        ? new UserError(message, new NoRevision())
        : new UserError(message);
  }

  /**
   * The same of something that was sent: the hub's own words say what it would not take.
   *
   * @throws UserError if sending again would not help
   * @throws Busy if it may
   */
  static void checkSent(HubAnswer answer, HubId id, HubSettings settings) throws IOException {
    int status = answer.status();
    if (status / 100 == 2) {
      return;
    }
    if (status == 408 || status == 429 || status >= 500) {
      throw new Busy("the hub answers with status " + status, delay(answer));
    }
    String said = answer.header("X-Error-Message").map(words -> ": " + words).orElse("");
    throw new UserError(
        "%s: the hub does not take it (%s answers with status %s%s). Check that %s is a user or an organisation of yours, and that the token (HF_TOKEN) may write there."
            .formatted(
                id,
                settings.endpoint(),
                status,
                said.replaceAll("\\p{Cntrl}", "?"),
                id.name().substring(0, id.name().indexOf('/'))));
  }

  private static Duration delay(HubAnswer answer) {
    String seconds = answer.header("Retry-After").orElse("");
    return seconds.matches("\\d{1,3}")
        ? Duration.ofSeconds(Long.parseLong(seconds))
        : Duration.ZERO;
  }

  private static String what(String code, int status, HubId id) {
    return switch (code) {
      case "GatedRepo" ->
          "this %s asks for its conditions to be accepted".formatted(id.kind().text());
      case "RevisionNotFound" -> "there is no revision '%s'".formatted(id.revision());
      case "EntryNotFound" -> "a file that the hub lists is not there";
      case "RepoNotFound" -> "there is no such %s, or it is private".formatted(id.kind().text());
      default ->
          status == 401 || status == 403 || status == 404
              ? "there is no such %s, or it is private".formatted(id.kind().text())
              : "the hub refuses";
    };
  }

  private static String advice(String code, HubId id, HubSettings settings) {
    String account =
        settings.token().isPresent()
            ? "Check that the token (HF_TOKEN) is valid and may read it."
            : "If it is private, let HF_TOKEN hold a token that may read it.";
    return switch (code) {
      case "GatedRepo" ->
          "Accept them at %s%s%s, and let HF_TOKEN hold a token of that account."
              .formatted(settings.endpoint(), id.kind().pages(), id.name());
      case "RevisionNotFound" -> "Name a branch, a tag or a commit of it.";
      case "EntryNotFound" -> "Start again.";
      default -> "Check the name. " + account;
    };
  }
}
