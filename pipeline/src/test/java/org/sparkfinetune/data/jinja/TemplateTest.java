package org.sparkfinetune.data.jinja;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.LocalDateTime;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.assertj.core.api.InstanceOfAssertFactories;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.sparkfinetune.data.jinja.Template.Rendering;
import org.sparkfinetune.data.jinja.TemplateError.Kind;

/**
 * What jinja2's answers (ProbesParityTest) say nothing about: where text comes from, and limits.
 */
final class TemplateTest {
  private static Rendering render(String source, Map<String, ?> variables) {
    return Template.parse(source).render(variables, LocalDateTime.of(2024, 7, 26, 12, 0));
  }

  private static String text(String source) {
    return render(source, Map.of("list", List.of(1, "a"), "map", Map.of("k", "v"))).text();
  }

  /** What came from a, b and c: the piece, its source, and where it stands there (-1: changed). */
  private static List<String> pieces(String source) {
    Rendering rendering =
        render(
            source,
            Map.of(
                "a", Text.traced(" {{ x }} ", 0),
                "b", Text.traced("one two", 1),
                "c", Text.traced("<|im_end|>", 2)));
    return rendering.sources().stream()
        .map(
            s ->
                "%s@%s:%s"
                    .formatted(
                        rendering.text().substring(s.from(), s.to()), s.source(), s.offset()))
        .toList();
  }

  /** The answers are Python's. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          {:#08b}   |    2 | 0b000010
          {:+#08b}  |    2 | +0b00010
          {:#010x}  | -255 | -0x00000ff
          {:*=#8X}  |  255 | 0X****FF
          {:#8x}.   |  255 | '    0xff.'
          {:<#08x}  |  255 | 0xff0000
          {:0>#8b}  |    2 | 00000b10
          {:#012_x} | 65535 | 0x0_0000_ffff
          {:014_b}  |   37 | 0000_0010_0101
          {:09,}    | 1234 | 0,001,234
          """)
  void zeros_stand_between_the_base_and_the_number(String format, int value, String expected) {
    assertThat(text("{{ '%s'.format(%s) }}".formatted(format, value))).isEqualTo(expected);
  }

  @Test
  void a_key_that_python_cannot_look_up_is_not_there() {
    assertThat(text("{{ map[({}, 1)] }}|{{ map[(1, [2])] is defined }}|{{ map[map] }}"))
        .isEqualTo("|False|");
  }

  @Test
  void zeros_before_a_hexadecimal_number_need_no_prefix() {
    assertThat(text("{{ '%05.2x|%#07x|%08.0e' % (10, 10, 0) }}"))
        .isEqualTo("0000a|0x0000a|0000e+00");
  }

  @Test
  void a_slice_of_an_escaped_text_is_escaped() {
    assertThat(text("{{ [('<b>'|safe)[::2], ('<b>'|safe)[1:]] }}"))
        .isEqualTo("[Markup('<>'), Markup('b>')]");
  }

  @Test
  void pairs_of_an_iterator_are_urlencoded() {
    assertThat(text("{{ [('a', 1), ('b c', '/')] | reverse | urlencode }}"))
        .isEqualTo("b+c=%2F&a=1");
    assertThatThrownBy(() -> text("{{ map | reverse | urlencode }}"))
        .isInstanceOfSatisfying(
            TemplateError.class, e -> assertThat(e.kind()).isEqualTo(Kind.VALUE));
  }

  @Test
  void values_put_into_an_escaped_text_are_escaped() {
    assertThat(text("{{ '%s|%r'|escape % (['<'], '>') }}"))
        .isEqualTo("[&#39;&lt;&#39;]|&#39;&gt;&#39;");
    assertThat(text("{{ '%s %.1s %5s'|escape|format('<b>'|safe, '<', '<') }}"))
        .isEqualTo("<b> &  &lt;");
    assertThat(text("{{ '%s %d %.1f'|escape % ({'k': '<'}, 5, 2.5) }}"))
        .isEqualTo("{&#39;k&#39;: &#39;&lt;&#39;} 5 2.5");
    for (String refused :
        List.of("'%x'|escape % 5", "'%c'|escape % 'a'", "'%*d'|escape % (4, 5)")) {
      assertThatThrownBy(() -> text("{{ " + refused + " }}"))
          .isInstanceOfSatisfying(
              TemplateError.class, e -> assertThat(e.kind()).isEqualTo(Kind.TYPE));
    }
    assertThat(text("{{ '%s'.strip() % ['<'] }}")).isEqualTo("['<']");
  }

  static Stream<Arguments> ways() {
    return Stream.of(
        Arguments.of("{{ a }}", List.of(" {{ x }} @0:0")),
        Arguments.of("[{{ a | trim }}]", List.of("{{ x }}@0:1")),
        Arguments.of("{{ (b ~ '!' ~ a).strip() }}", List.of("one two@1:0", " {{ x }}@0:0")),
        Arguments.of("{{ b.split(' ')[1] }}", List.of("two@1:4")),
        Arguments.of(
            "{{ b[::-1] }}",
            List.of("o@1:6", "w@1:5", "t@1:4", " @1:3", "e@1:2", "n@1:1", "o@1:0")),
        Arguments.of("{{ b[4:] + b[:3] }}", List.of("two@1:4", "one@1:0")),
        Arguments.of("{{ [b, c] | join('-') }}", List.of("one two@1:0", "<|im_end|>@2:0")),
        Arguments.of("{{ b | upper }}", List.of("ONE TWO@1:-1")),
        Arguments.of("{{ {'k': c} | tojson }}", List.of("<|im_end|>@2:0")),
        Arguments.of("{% set d %}<{{ b }}>{% endset %}{{ d }}", List.of("one two@1:0")),
        Arguments.of("{% macro m(x) %}({{ x }}){% endmacro %}{{ m(b) }}", List.of("one two@1:0")),
        Arguments.of("{{ '%s and %s' % (b, c) }}", List.of("one two@1:0", "<|im_end|>@2:0")),
        Arguments.of("{{ c | replace('|', '!') }}", List.of("<@2:0", "im_end@2:2", ">@2:9")),
        Arguments.of("{{ b | length }}{{ 'x' if 'one' in b }}", List.of()));
  }

  @ParameterizedTest
  @MethodSource("ways")
  void what_comes_from_a_variable_is_known_on_its_way(String source, List<String> expected) {
    assertThat(pieces(source)).isEqualTo(expected);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{{ list.getClass() }}",
        "{{ ''.__class__.__mro__ }}",
        "{{ map.class.forName('java.lang.Runtime') }}",
        "{{ list.__init__.__globals__ }}",
        "{{ strftime_now.__globals__ }}",
        "{{ ''.format.__self__ }}",
        "{{ '{0.__class__}'.format(list) }}",
        "{{ '{0.class}'.format(map) }}",
        "{{ (list | map(attribute='class') | list)[0].x }}",
        "{{ map.hashCode() }}",
        "{{ namespace(a=1).getClass() }}",
      })
  void a_template_cannot_reach_javas_classes(String source) {
    try {
      assertThat(text(source)).isEmpty();
    } catch (TemplateError e) {
      assertThat(e.kind()).isIn(Kind.SECURITY, Kind.UNDEFINED);
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"{{ list.append(2) }}", "{{ map.update({'a': 1}) }}", "{{ map.pop('k') }}"})
  void what_is_given_to_a_template_stays_as_it_is(String source) {
    assertThatThrownBy(() -> text(source))
        .asInstanceOf(InstanceOfAssertFactories.type(TemplateError.class))
        .returns(Kind.SECURITY, TemplateError::kind);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
        "{{ 'a' * 999999999 }}",
        "{{ 'a' | center(999999999) }}",
        "{{ '%999999999d' % 1 }}",
        "{{ ([0] * 9999) | map('string') | join('x' * 99999) }}",
        "{{ 9 ** 99999999 }}",
        "{{ [1] * 999999999 }}",
      })
  void a_template_that_would_never_end_is_stopped(String source) {
    assertThatThrownBy(() -> text(source))
        .asInstanceOf(InstanceOfAssertFactories.type(TemplateError.class))
        .extracting(TemplateError::kind)
        .isIn(Kind.LIMIT, Kind.OVERFLOW);
  }

  @Test
  void a_template_that_calls_itself_for_ever_is_stopped() {
    assertThatThrownBy(() -> text("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}"))
        .asInstanceOf(InstanceOfAssertFactories.type(TemplateError.class))
        .returns(Kind.RECURSION, TemplateError::kind);
  }

  @Test
  void a_template_that_is_nested_too_deeply_is_no_valid_template() {
    for (String source :
        List.of(
            "{{ " + "(".repeat(100_000) + "1" + ")".repeat(100_000) + " }}",
            "{{ " + "not ".repeat(100_000) + "1 }}",
            "{% if 1 %}".repeat(50_000) + "{% endif %}".repeat(50_000))) {
      assertThatThrownBy(() -> text(source))
          .hasMessageEndingWith("nested too deeply")
          .asInstanceOf(InstanceOfAssertFactories.type(TemplateError.class))
          .returns(Kind.SYNTAX, TemplateError::kind);
    }
  }

  @Test
  void format_takes_fields_by_number_name_and_attribute() {
    assertThat(text("{{ '{1}-{0[1]}-{k}-{0.class}'.format(list, 2, k=3) }}")).isEqualTo("2-a-3-");
  }

  @Test
  void generated_text_is_marked_over_all_that_it_holds() {
    Rendering rendering =
        render(
            "x{% generation %}{{ a }}!{% endgeneration %}{% generation %}{% endgeneration %}y",
            Map.of("a", Text.traced("hi", 3)));
    assertThat(rendering.text()).isEqualTo("xhi!y");
    assertThat(rendering.generated())
        .extracting(s -> s.from() + "-" + s.to())
        .containsExactly("1-4");
    assertThat(rendering.sources()).extracting(s -> s.from() + "-" + s.to()).containsExactly("1-3");
  }
}
