package org.sparkfinetune.sample;

import java.util.List;

/** The grammar that questions are put together with. */
final class English {
  private English() {}

  /** "number of pages" becomes "numbers of pages". */
  static String plural(String phrase) {
    int head = phrase.length();
    for (String joint : List.of(" of ", " in ", " per ")) {
      int at = phrase.indexOf(joint);
      head = at >= 0 ? Math.min(head, at) : head;
    }
    return pluralWord(phrase.substring(0, head)) + phrase.substring(head);
  }

  private static String pluralWord(String word) {
    if (word.matches(".*[^aeiou]y")) {
      return word.substring(0, word.length() - 1) + "ies";
    }
    return word + (word.matches(".*(s|x|ch|sh)") ? "es" : "s");
  }

  static String withArticle(String phrase) {
    return ("aeio".indexOf(Character.toLowerCase(phrase.charAt(0))) >= 0 ? "an " : "a ") + phrase;
  }

  /** "a", "a and b", "a, b and c". */
  static String series(List<String> words, String conjunction) {
    int last = words.size() - 1;
    return last == 0
        ? words.get(0)
        : String.join(", ", words.subList(0, last)) + " " + conjunction + " " + words.get(last);
  }

  static String sentence(String text) {
    return Character.toUpperCase(text.charAt(0)) + text.substring(1);
  }

  /** Asks for things named by a plural noun phrase. */
  static String askForMany(SeededRandom random, String things) {
    return random.pick(
        "List " + things + ".",
        "Show " + things + ".",
        "Show me " + things + ".",
        "Give " + things + ".",
        "Find " + things + ".",
        "Return " + things + ".",
        "What are " + things + "?",
        "Tell me " + things + ".",
        "Can you list " + things + "?",
        "I would like to see " + things + ".",
        "Please display " + things + ".");
  }

  /** Asks for a thing named by a singular noun phrase. */
  static String askForOne(SeededRandom random, String thing) {
    return random.pick(
        "What is " + thing + "?",
        "Find " + thing + ".",
        "Give me " + thing + ".",
        "Show " + thing + ".",
        "Tell me " + thing + ".",
        "Return " + thing + ".",
        "I need to know " + thing + ".");
  }

  static String askHowMany(SeededRandom random, String things) {
    return random.pick(
        "How many " + things + " are there?",
        "Count the " + things + ".",
        "What is the number of " + things + "?",
        "Give the number of " + things + ".",
        "Find the total number of " + things + ".",
        "How many " + things + " do we have?");
  }
}
