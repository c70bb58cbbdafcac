package org.sparkfinetune.model.hub;

/** What a repository holds; the hub keeps the two apart by address. */
public enum HubKind {
  MODEL("model", "api/models/", ""),
  DATASET("data set", "api/datasets/", "datasets/");

  private final String text;
  private final String api;
  private final String pages;

  HubKind(String text, String api, String pages) {
    this.text = text;
    this.api = api;
    this.pages = pages;
  }

  String text() {
    return text;
  }

  String api() {
    return api;
  }

  String pages() {
    return pages;
  }

  String cachePrefix() {
    return switch (this) {
      case MODEL -> "models--";
      case DATASET -> "datasets--";
    };
  }
}
