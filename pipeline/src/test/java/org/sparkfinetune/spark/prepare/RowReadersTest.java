package org.sparkfinetune.spark.prepare;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.sparkfinetune.spark.prepare.JsonRows.Layout.ARRAY;
import static org.sparkfinetune.spark.prepare.JsonRows.Layout.LINES;
import static org.sparkfinetune.spark.prepare.JsonRows.Layout.OBJECTS;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.sparkfinetune.config.CsvFormat;
import org.sparkfinetune.data.conversation.RejectedRow;

final class RowReadersTest {
  private static final String TEXT = "one\r\n\ntwo\nthree and more\n\n\nfour";

  @Test
  void lines_come_once_and_with_their_numbers_wherever_a_file_is_split() throws IOException {
    List<String> whole = lines(TEXT, 0, TEXT.length());
    assertThat(whole)
        .containsExactly("1:one", "2:", "3:two", "4:three and more", "5:", "6:", "7:four");
    for (int a = 1; a < TEXT.length(); a++) {
      for (int b = a; b < TEXT.length(); b++) {
        List<String> parts = new ArrayList<>();
        for (List<String> part :
            List.of(lines(TEXT, 0, a), lines(TEXT, a, b), lines(TEXT, b, TEXT.length()))) {
          int before = parts.size();
          part.forEach(
              line -> {
                int colon = line.indexOf(':');
                int number = before + Integer.parseInt(line.substring(0, colon));
                parts.add(number + line.substring(colon));
              });
        }
        assertThat(parts).as("split at %d and %d", a, b).isEqualTo(whole);
      }
    }
  }

  private static List<String> lines(String text, int start, int end) throws IOException {
    byte[] bytes = text.getBytes(UTF_8);
    int from = Math.max(0, start - 1);
    JsonRows.Beginning beginning =
        start == 0 ? JsonRows.Beginning.OF_A_LINE : JsonRows.Beginning.INSIDE_A_LINE;
    JsonRows.Lines slices = new JsonRows.Lines(dripping(bytes, from), from, end, beginning);
    List<String> lines = new ArrayList<>();
    if (start == end) {
      return lines;
    }
    while (slices.next()) {
      lines.add(slices.number() + ":" + text(slices));
    }
    return lines;
  }

  private static String text(JsonRows.Slices slices) {
    return new String(slices.bytes(), slices.start(), slices.end() - slices.start(), UTF_8);
  }

  /** A stream that hands out a few bytes at a time. */
  private static InputStream dripping(byte[] bytes, int from) {
    Random random = new Random(bytes.length + from);
    return new ByteArrayInputStream(bytes, from, bytes.length - from) {
      @Override
      public synchronized int read(byte[] into, int offset, int length) {
        return super.read(into, offset, Math.min(length, 1 + random.nextInt(3)));
      }
    };
  }

  @Test
  void a_line_too_long_is_cut_and_the_next_is_whole() throws IOException {
    byte[] bytes = ("x".repeat(700_000) + "\nnext\n").getBytes(UTF_8);
    JsonRows.Lines slices =
        new JsonRows.Lines(
            new ByteArrayInputStream(bytes), 0, Long.MAX_VALUE, JsonRows.Beginning.OF_A_LINE, 1000);
    assertThat(slices.next()).isTrue();
    assertThat(slices.cut()).isTrue();
    assertThat(text(slices)).hasSize(1001);
    assertThat(slices.next()).isTrue();
    assertThat(slices.cut()).isFalse();
    assertThat(text(slices)).isEqualTo("next");
    assertThat(slices.next()).isFalse();
  }

  @Test
  void elements_of_an_array_are_cut_out_whatever_they_hold() throws IOException {
    String elements =
        "{\"a\": \"]}\\\"[,\"},\n [1, [2]] ,\"x\\\\\", {\"b\": {\"c\": []}}, 12 ,null";
    JsonArray slices =
        new JsonArray(new ReadBuffer(dripping((" [" + elements + "] \n").getBytes(UTF_8), 0)));
    List<String> found = new ArrayList<>();
    while (slices.next()) {
      found.add(text(slices));
    }
    assertThat(found)
        .containsExactly(
            "{\"a\": \"]}\\\"[,\"}", "[1, [2]]", "\"x\\\\\"", "{\"b\": {\"c\": []}}", "12", "null");
    assertThat(slices.next()).isFalse();
    assertThat(slices.number()).isEqualTo(6);
  }

  @Test
  void csv_fields_may_hold_commas_quotes_and_line_ends() throws Exception {
    String text = "\"a\",b,c\r\n1,\"two, \"\"2\"\"\",\"three\r\n3\"\r\n\n,,\nx,\"\",\"last\"";
    CsvRows rows = csv(text, CsvFormat.RFC_4180);
    List<String> found = new ArrayList<>();
    while (rows.next()) {
      found.add(rows.number() + rows.tree().toString());
    }
    assertThat(found)
        .containsExactly(
            "1{\"a\":\"1\",\"b\":\"two, \\\"2\\\"\",\"c\":\"three\\r\\n3\"}",
            "2{\"a\":\"\",\"b\":\"\",\"c\":\"\"}",
            "3{\"a\":\"x\",\"b\":\"\",\"c\":\"last\"}");
    assertThat(rows.blankLines()).isEqualTo(1);
  }

  @Test
  void a_stray_quote_in_csv_costs_its_own_row_alone() throws IOException {
    String text = "a,b\n5\" pipe,1\nx,2\n\"y\"z,3\nw,4\n";
    CsvRows rows = csv(text, CsvFormat.RFC_4180);
    List<String> found = new ArrayList<>();
    while (rows.next()) {
      try {
        found.add(rows.tree().get("a").asText());
      } catch (RejectedRow e) {
        found.add(e.reason().text());
      }
    }
    assertThat(found).containsExactly("broken CSV quotes", "x", "broken CSV quotes", "w");
  }

  private static CsvRows csv(String text, CsvFormat format) {
    return new CsvRows(new ReadBuffer(dripping(text.getBytes(UTF_8), 0)), format);
  }

  @Test
  void csv_may_have_another_delimiter_quote_and_escape() throws Exception {
    String text = "a\tb\n'x\\'y\\\\'\t1,\"2\"\n'\\n\n''\\\t'\t''\n'it''s'\t\\'\nlast\t\n";
    CsvRows rows = csv(text, new CsvFormat("\t", "'", "\\"));
    List<String> found = new ArrayList<>();
    while (rows.next()) {
      try {
        found.add(rows.tree().get("a").asText() + "|" + rows.tree().get("b").asText());
      } catch (RejectedRow e) {
        found.add(e.reason().text());
      }
    }
    assertThat(found).containsExactly("x'y\\|1,\"2\"", "\\n\n'\\\t|", "broken CSV quotes", "last|");
  }

  @Test
  void layout_is_told_by_the_beginning_of_a_file() {
    assertThat(layout("{\"a\": 1}\n{\"a\": 2}\n")).isEqualTo(LINES);
    assertThat(layout(" \n [\n{\"a\": 1}\n]")).isEqualTo(ARRAY);
    assertThat(layout("[{\"a\": 1}]")).isEqualTo(ARRAY);
    assertThat(layout("[{\"a\": 1},\n{\"a\": 2}]\n")).isEqualTo(ARRAY);
    assertThat(layout("[1]\n[2]\n")).isEqualTo(LINES);
    assertThat(layout("[]\n{\"a\": 1}\n")).isEqualTo(LINES);
    assertThat(layout("")).isEqualTo(LINES);
    assertThat(layout("{\r\n  \"a\": 1\r\n}\r\n")).isEqualTo(OBJECTS);
    assertThat(layout("\n { \n\n\"a\": 1\n}\n{")).isEqualTo(OBJECTS);
    assertThat(layout("{\"a\": [\n{\"b\": 1}]}\n")).isEqualTo(OBJECTS);
    assertThat(layout("{\"a\": 1,\n\"b\": 1}\n")).isEqualTo(OBJECTS);
  }

  @Test
  void a_first_line_that_is_cut_short_is_a_row_like_any_other() {
    assertThat(layout("{\"a\": 1,\n{\"a\": 1}\n")).isEqualTo(LINES);
    assertThat(layout("{\"a\": \"1,\n{\"a\": 1}\n")).isEqualTo(LINES);
    assertThat(layout("{\"a\": \"x {\n{\"a\": 1}\n")).isEqualTo(LINES);
    assertThat(layout("{\n{\"a\": 1}\n")).isEqualTo(LINES);
    assertThat(layout("{\n")).isEqualTo(LINES);
    assertThat(layout("{")).isEqualTo(LINES);
  }

  @Test
  void objects_over_many_lines_are_cut_out_whatever_they_hold() throws IOException {
    String text = "\n{\n\"a\": \"}\\\"{\\\\\"\n}\n\n{ \"b\":\n [{}, x]}{\n}\r\n";
    JsonObjects slices = new JsonObjects(new ReadBuffer(dripping(text.getBytes(UTF_8), 0)));
    List<String> found = new ArrayList<>();
    while (slices.next()) {
      found.add(slices.number() + text(slices));
    }
    assertThat(found)
        .containsExactly("1{\n\"a\": \"}\\\"{\\\\\"\n}", "2{ \"b\":\n [{}, x]}", "3{\n}");
    assertThat(slices.next()).isFalse();
  }

  @Test
  void objects_over_many_lines_that_do_not_end_or_have_more_between_them_are_named() {
    assertThatThrownBy(() -> all("{\n\"a\": 1\n},\n{\n}"))
        .isInstanceOf(TextInput.UnreadableFile.class)
        .hasMessageContaining("several JSON objects over many lines, but after row 1 there is ','")
        .hasMessageContaining("jq -c .");
    assertThatThrownBy(() -> all("{\n\"a\": 1\n}\n{\n\"b\": {\n}\n"))
        .isInstanceOf(TextInput.UnreadableFile.class)
        .hasMessageContaining("row 2 has no end");
  }

  private static void all(String text) throws IOException {
    JsonObjects slices = new JsonObjects(new ReadBuffer(dripping(text.getBytes(UTF_8), 0)));
    boolean more = true;
    while (more) {
      more = slices.next();
    }
  }

  private static JsonRows.Layout layout(String text) {
    byte[] bytes = text.getBytes(UTF_8);
    return JsonRows.Layout.of(bytes, 0, bytes.length);
  }

  @Test
  void utf8_is_checked_over_the_borders_of_its_scratch_buffer() {
    String text = IntStream.range(0, 9000).mapToObj(i -> "é☃😀").reduce("", String::concat);
    byte[] bytes = text.getBytes(UTF_8);
    assertThat(new Utf8().firstWrong(bytes, 0, bytes.length)).isEmpty();
    bytes[bytes.length - 2] = 'x';
    assertThat(new Utf8().firstWrong(bytes, 0, bytes.length)).hasValue(bytes.length - 4);
    assertThat(new Utf8().firstWrong(bytes, 0, 1)).hasValue(0);
  }
}
