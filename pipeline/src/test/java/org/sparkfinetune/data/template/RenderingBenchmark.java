package org.sparkfinetune.data.template;

import java.util.List;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Warmup;
import org.sparkfinetune.data.conversation.Conversation;
import org.sparkfinetune.data.conversation.Conversation.Extras;
import org.sparkfinetune.data.conversation.Conversation.Message;
import org.sparkfinetune.data.conversation.Conversation.Role;
import org.sparkfinetune.data.conversation.Conversation.TemplateInputs;
import org.sparkfinetune.data.conversation.Conversation.ToolCall;
import org.sparkfinetune.data.template.ChatTemplate.AddGenerationPrompt;
import org.sparkfinetune.data.template.ChatTemplate.SpecialTokens;

/**
 * Thousands of conversations a second that one thread renders: four turns of 1,800 characters, with
 * calls of tools for the template {@code tools}: {@code jobs/bin/bench kernels RenderingBenchmark}.
 */
@State(Scope.Benchmark)
@Fork(1)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
public class RenderingBenchmark {
  private static final SpecialTokens TOKENS = SpecialTokens.of("<s>", "</s>");

  /** Calls of tools as Llama 3.1's and Qwen's templates write them, in our words. */
  private static final String TOOLS =
      """
      {{- bos_token }}
      {%- if tools %}
      {{- '<|system|>You may call:\\n' }}
      {%- for tool in tools %}{{ tool.function | tojson(indent=2) }}{{ '\\n' }}{% endfor %}
      {%- endif %}
      {%- for message in messages %}
      {%- if message.role == 'assistant' and message.tool_calls is defined %}
      {%- for call in message.tool_calls %}
      {{- '<call>' + call.function.name + ' ' }}{{ call.function.arguments | tojson }}{{ '</call>' }}
      {%- endfor %}
      {%- elif message.role == 'tool' or message['role'] == 'ipython' %}
      {{- '<|tool|>' ~ message.content ~ eos_token }}
      {%- else %}
      {{- '<|' + message.role + '|>' + message.content | trim + eos_token }}
      {%- endif %}
      {%- endfor %}
      {%- if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}
      """;

  @Param({"reference", "llama3", "chatml", "tools"})
  public String template = "";

  private ChatTemplate parsed;
  private Conversation conversation;

  @Setup
  public void parse() {
    boolean tools = template.equals("tools");
    parsed =
        tools
            ? ChatTemplate.of("tools", TOOLS)
            : BuiltInTemplates.withText(template).orElseThrow().template();
    String long1 = "How many ships that sail from this port have more than two masts? ".repeat(7);
    String long2 = "There are seventeen of them, of which four have three masts. ".repeat(7);
    Message question = new Message(Role.USER, long1);
    Message answer = new Message(Role.ASSISTANT, long2);
    Extras call =
        new Extras(
            List.of(new ToolCall("", "count", "{\"table\": \"ships\", \"masts\": 2}")),
            "",
            "",
            "",
            true,
            false);
    conversation =
        tools
            ? new Conversation(
                List.of(
                    question,
                    new Message(Role.ASSISTANT, "", call),
                    new Message(Role.TOOL, "17"),
                    answer,
                    question,
                    answer),
                new TemplateInputs(
                    "[{\"type\": \"function\", \"function\": {\"name\": \"count\", \"parameters\":"
                        + " {\"type\": \"object\", \"properties\": {\"table\": {\"type\":"
                        + " \"string\"}}}}}]",
                    ""))
            : new Conversation(List.of(question, answer, question, answer));
  }

  @Benchmark
  public RenderedConversation render() {
    return parsed.render(conversation, TOKENS, AddGenerationPrompt.NO);
  }
}
