package org.sparkfinetune.spark.prepare;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;

/** Whether a JSON file is a row a line, or one array of rows. */
enum JsonLayout {
  LINES,
  ARRAY;

  private static final ObjectMapper MAPPER = new ObjectMapper();

  /**
   * Decides by the beginning of a file. A file that begins with a bracket is an array, unless its
   * first line is a whole array and more lines follow: then they are rows of the wrong type, to be
   * rejected one by one.
   *
   * @param head the first bytes behind a byte order mark
   */
  static JsonLayout of(byte[] head, int start, int end) {
    int at = start;
    while (at < end && (head[at] == ' ' || (head[at] >= '\t' && head[at] <= '\r'))) {
      at++;
    }
    if (at == end || head[at] != '[') {
      return LINES;
    }
    int lineEnd = at;
    while (lineEnd < end && head[lineEnd] != '\n') {
      lineEnd++;
    }
    return isFollowed(head, lineEnd, end) && isWhole(head, at, lineEnd) ? LINES : ARRAY;
  }

  private static boolean isFollowed(byte[] head, int from, int end) {
    for (int at = from; at < end; at++) {
      if (head[at] > ' ') {
        return true;
      }
    }
    return false;
  }

  private static boolean isWhole(byte[] head, int start, int end) {
    try {
      return MAPPER.readTree(head, start, end - start).isArray();
    } catch (IOException e) {
      return false;
    }
  }
}
