package org.sparkfinetune.config;

import java.io.Serializable;
import java.util.Optional;
import org.sparkfinetune.config.Key.Meaning;
import org.sparkfinetune.errors.UserError;

/**
 * How CSV files are written, for the commands that read them.
 *
 * @param escape stands before a quote, or before itself, within quotes. A doubled quote is a quote
 *     whatever it is.
 */
public record CsvFormat(
    @Key(
            meaning = Meaning.CHARACTER,
            otherwise = ",",
            allowed = CsvFormat.ALLOWED + ", or tab",
            doc = "of CSV input: what stands between fields")
        String delimiter,
    @Key(
            meaning = Meaning.CHARACTER,
            otherwise = "\"",
            allowed = CsvFormat.ALLOWED,
            doc = "of CSV input: what stands around fields that hold delimiters or line ends")
        String quote,
    @Key(
            meaning = Meaning.CHARACTER,
            otherwise = "=quote",
            allowed = CsvFormat.ALLOWED,
            doc = "of CSV input: what stands before a quote within quotes")
        String escape)
    implements Serializable {

  /** Commas and doubled double quotes. */
  public static final CsvFormat RFC_4180 = new CsvFormat(",", "\"", "\"");

  private static final String ALLOWED = "one ASCII character that is no line end";

  public CsvFormat {
    KeyTable.check(CsvFormat.class, delimiter, quote, escape);
    if (delimiter.equals(quote) || delimiter.equals(escape)) {
      throw new UserError(
          "delimiter is %s, and so is %s; allowed: a delimiter that is neither quote nor escape"
              .formatted(shown(delimiter), delimiter.equals(quote) ? "quote" : "escape"));
    }
  }

  /** A tab has words: nobody sees it in a file, and a shell takes it away. */
  static Optional<String> character(String text) {
    return Optional.of(text.equals("tab") || text.equals("\\t") ? "\t" : text);
  }

  static boolean isCharacter(String text) {
    return text.length() == 1 && text.charAt(0) < 0x80 && !"\r\n\0".contains(text);
  }

  static String shown(String character) {
    return character.equals("\t") ? "tab" : character;
  }
}
