package org.sparkfinetune.config;

/** Which numbers are allowed, and how a message says so. */
record Range(String text, Bound low, Bound high) {

  private record Bound(double value, boolean included) {}

  private static final Bound NO_END = new Bound(Double.POSITIVE_INFINITY, false);

  static Range above(double low) {
    return new Range("a number above " + shown(low), new Bound(low, false), NO_END);
  }

  static Range atLeast(double low) {
    return new Range("a number of at least " + shown(low), new Bound(low, true), NO_END);
  }

  /** The lower end left out, the upper one included. */
  static Range aboveTo(double low, double high) {
    String text = "a number above %s and at most %s".formatted(shown(low), shown(high));
    return new Range(text, new Bound(low, false), new Bound(high, true));
  }

  /** Both ends included. */
  static Range between(double low, double high) {
    String text = "a number from %s to %s".formatted(shown(low), shown(high));
    return new Range(text, new Bound(low, true), new Bound(high, true));
  }

  /** The lower end included, the upper one not. */
  static Range belowFrom(double low, double high) {
    String text = "a number of at least %s and below %s".formatted(shown(low), shown(high));
    return new Range(text, new Bound(low, true), new Bound(high, false));
  }

  boolean contains(double value) {
    boolean above = low.included ? value >= low.value : value > low.value;
    boolean below = high.included ? value <= high.value : value < high.value;
    return above && below;
  }

  private static String shown(double value) {
    return value == Math.rint(value) ? Long.toString((long) value) : Double.toString(value);
  }
}
