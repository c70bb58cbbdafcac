package org.sparkfinetune.data.jinja;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.LocalDateTime;
import java.util.Map;
import java.util.OptionalInt;
import org.assertj.core.api.InstanceOfAssertFactories;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Expected texts are those of jinja2 3.1 with trim_blocks and lstrip_blocks. */
final class WhitespaceControlTest {
  private static String render(String source) {
    return Template.parse(source.replace("\\n", "\n"))
        .render(Map.of("x", "X"), LocalDateTime.MIN)
        .text()
        .replace("\n", "\\n");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = ';',
      ignoreLeadingAndTrailingWhitespace = false,
      value = {
        "a {{- x -}} \\n b;aXb",
        "{{ x -}}\\n{% if true %}\\nq{% endif %};Xq",
        "{{ x -}}\\nq;Xq",
        "{{ x -}}\\n\\n {{ x }};XX",
        "{% if true -%}\\n  q{%- endif -%}\\n\\nz;qz",
        "{% if true %}\\n{{ x -}}\\n{% endif %}\\nz;Xz",
        "  {%- if true %}\\n{{- x }}\\n{%- endif %}\\nz;Xz",
        "{{ x }}\\n{%- if true %}\\n{{- x }}\\n{%- endif %};XX",
        "{% for i in [1,2] %}\\n{{ i -}}\\n{% endfor %};12",
        "{# c #}\\ny;y",
        "y {#- c -#} y;yy",
        "{% set y = 1 %}\\n{{ y }};1",
        "a\\n    {% set y = 1 %}\\nb;a\\nb",
        "a {%+ if true %}b{% endif %};a b",
        "{% if true %}y{% endif +%}\\ny;y\\ny",
        "{{ ' %} ' }}\\n  {{ '}}' }};' %} \\n  }}'",
      })
  void white_space_goes_where_jinja_lets_it_go(String source, String expected) {
    assertThat(render(source)).isEqualTo(expected);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "\\n\\n{{ nofunction(1) }}",
        "{% if true -%}\\n\\n{{ nofunction(1) }}{% endif %}",
        "{#\\n#}\\n   {{- nofunction(1) }}",
        "{% if true %}\\n{{ x -}}\\n{{ nofunction(1) }}{% endif %}",
      })
  void errors_name_the_line_of_the_file(String source) {
    assertThatThrownBy(() -> render(source))
        .asInstanceOf(InstanceOfAssertFactories.type(TemplateError.class))
        .returns(OptionalInt.of(3), TemplateError::line);
  }
}
