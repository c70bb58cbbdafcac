package org.sparkfinetune.jobs;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a template makes of conversations as they are, a JSON line each. */
class RenderCommandTest {
  @TempDir private Path folder;

  private record Ran(int exitCode, List<String> out, String err) {}

  private Ran render(String template, String input, String... more) throws IOException {
    Path conversations = Files.writeString(folder.resolve("in.jsonl"), input);
    List<String> words =
        new ArrayList<>(
            List.of("render", "--chat_template", template, "--input", conversations.toString()));
    words.addAll(List.of(more));
    StringWriter out = new StringWriter();
    StringWriter err = new StringWriter();
    PrintWriter printer = new PrintWriter(out, true);
    int exitCode =
        Main.run(
            words.toArray(String[]::new),
            new PipelineJobs(printer),
            printer,
            new PrintWriter(err, true));
    return new Ran(exitCode, out.toString().lines().toList(), err.toString());
  }

  private String file(String name, String text) throws IOException {
    return Files.writeString(folder.resolve(name), text).toString();
  }

  @Test
  void conversations_go_in_unchanged() throws IOException {
    String template =
        file(
            "t.jinja",
            "{{ bos_token }}{{ tools | tojson if tools }}{% for m in messages %}<{{ m.role }}>{{"
                + " m.content }}{{ m.tool_calls | tojson if m.tool_calls }}{% endfor %}{% if"
                + " add_generation_prompt %}>{% endif %}{{ strftime_now('%Y') }}");
    Ran ran =
        render(
            template,
            """
            [{"role": "user", "content": "false"}]

            {"messages": [{"role": "x", "content": null, "tool_calls": [{"arguments": "{ }"}]}], "tools": [1]}
            """,
            "--special_tokens",
            "{\"bos_token\": \"<s>\"}",
            "--now",
            "2024-07-26T12:00:00",
            "--add_generation_prompt",
            "true");
    assertThat(ran.out)
        .containsExactly(
            "{\"text\":\"<s><user>false>2024\"}",
            "{\"text\":\"<s>[1]<x>None[{\\\"arguments\\\": \\\"{ }\\\"}]>2024\"}");
    assertThat(ran.exitCode).isZero();
  }

  @Test
  void tools_of_a_file_are_for_lines_without_their_own() throws IOException {
    Ran ran =
        render(
            "{{ tools }}",
            "[]\n{\"messages\": [], \"tools\": null}\n",
            "--tools",
            file("tools.json", "[{\"a\": 1}]"));
    assertThat(ran.out).containsExactly("{\"text\":\"[{'a': 1}]\"}", "{\"text\":\"None\"}");
  }

  @Test
  void lines_with_tools_get_the_tokenizers_template_for_tools() throws IOException {
    Path model = Files.createDirectory(folder.resolve("model"));
    Files.writeString(model.resolve("tokenizer.json"), "{}");
    Files.writeString(model.resolve("chat_template.jinja"), "plain");
    Path more = Files.createDirectory(model.resolve("additional_chat_templates"));
    Files.writeString(more.resolve("tool_use.jinja"), "with {{ tools }} {{ strftime_now('%d') }}");
    String[] keys = {"--tokenizer", model.toString(), "--now", "2024-07-26T12:00:00"};
    String input = "[]\n{\"messages\": [], \"tools\": [1]}\n";
    assertThat(render("tokenizer", input, keys).out)
        .containsExactly("{\"text\":\"plain\"}", "{\"text\":\"with [1] 26\"}");
    assertThat(render("tokenizer:default", input, keys).out)
        .containsExactly("{\"text\":\"plain\"}", "{\"text\":\"plain\"}");
  }

  @Test
  void what_cannot_be_rendered_is_its_own_line() throws IOException {
    Ran ran = render("{{ raise_exception('no ' ~ messages) }}", "[]\n");
    assertThat(ran.out)
        .singleElement()
        .asString()
        .startsWith("{\"error\":\"The chat template 'in the configuration', line 1 refuses");
  }

  @Test
  void mistakes_are_the_users_to_correct() throws IOException {
    assertThat(render("chatml", "[\n").exitCode).isEqualTo(2);
    assertThat(render("chatml", "[\n").err).startsWith("input is not valid JSON: ");
    assertThat(render("chatml", "[]", "--now", "today").err)
        .isEqualTo("now is 'today', but a time is written as 2024-07-26T12:00:00.\n");
    assertThat(render("chatml", "[]", "--tools", "none.json").err)
        .isEqualTo("tools: there is no file 'none.json'.\n");
    assertThat(render("chatml", "[]", "--special_tokens", "x").err)
        .startsWith("special_tokens is no JSON object: ");
    String nowhere = folder.resolve("nowhere").toString();
    assertThat(render("tokenizer", "[]", "--tokenizer", nowhere).err)
        .startsWith("There is no folder '%s'. Name the folder of a model".formatted(nowhere));
    Path here = Files.createDirectory(folder.resolve("model"));
    String slip = folder.resolve("modle").toString();
    assertThat(render("tokenizer", "[]", "--tokenizer", slip).err)
        .startsWith("There is no folder '%s'; did you mean %s? Name".formatted(slip, here));
    assertThat(render("tokenizer", "[]", "--tokenizer", folder.toString()).err)
        .startsWith("There is no tokenizer.json in '%s'. ".formatted(folder));
    assertThat(render(folder.resolve("no.jinja").toString(), "[]").err)
        .contains("is neither one of reference, llama3, chatml, tokenizer nor a readable file");
  }
}
