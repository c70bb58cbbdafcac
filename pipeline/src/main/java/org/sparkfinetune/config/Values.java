package org.sparkfinetune.config;

import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import org.sparkfinetune.errors.Bug;
import org.sparkfinetune.errors.UserError;

/** One value for each key of a table, and where it was written, if it was. */
final class Values {

  private final Map<Key<?>, Object> values;
  private final Map<Key<?>, Place> places;

  Values(Map<Key<?>, Object> values, Map<Key<?>, Place> places) {
    this.values = new LinkedHashMap<>(values);
    this.places = new HashMap<>(places);
  }

  @SuppressWarnings("unchecked") // a value was read by its own key
  <T> T of(Key<T> key) {
    Object value = values.get(key);
    if (value == null) {
      throw new Bug("The key " + key + " is in no table.");
    }
    return (T) value;
  }

  /** Where the user wrote it; empty for defaults. */
  Optional<Place> place(Key<?> key) {
    return Optional.ofNullable(places.get(key));
  }

  /** True where the user wrote something else than the default. */
  boolean isChanged(Key<?> key) {
    return places.containsKey(key) && !key.otherwise().equals(Optional.ofNullable(values.get(key)));
  }

  /** The same with relative paths made absolute. */
  Values located(WorkingFolder folder) {
    Map<Key<?>, Object> located = new LinkedHashMap<>();
    values.keySet().forEach(key -> located.put(key, located(key, folder)));
    return new Values(located, places);
  }

  private <T> T located(Key<T> key, WorkingFolder folder) {
    try {
      return key.located(of(key), folder);
    } catch (IllegalArgumentException e) {
      String where = place(key).map(place -> place + ": ").orElse("");
      throw new UserError(
          "%s%s is %s, which is no path: %s. A URI has a whole path, as file:/folder/file; a relative path with a colon in its first name begins with ./"
              .formatted(where, key, key.plain(of(key)).orElse("empty"), e.getMessage()),
          e);
    }
  }

  /** The same with a default that follows from other values. */
  <T> Values with(Key<T> key, T value) {
    Map<Key<?>, Object> changed = new LinkedHashMap<>(values);
    changed.put(key, key.check(value));
    return new Values(changed, places);
  }
}
