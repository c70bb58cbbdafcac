package org.sparkfinetune.notebooks;

import static java.nio.ByteOrder.LITTLE_ENDIAN;
import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.stream.Stream;
import jdk.jshell.JShell;
import jdk.jshell.Snippet;
import jdk.jshell.SnippetEvent;
import jdk.jshell.SourceCodeAnalysis.CompletionInfo;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.sparkfinetune.engine.metrics.MetricsLine;
import org.sparkfinetune.engine.metrics.MetricsLog;
import org.sparkfinetune.engine.metrics.RunFolder;
import org.sparkfinetune.engine.metrics.Summary;
import org.sparkfinetune.engine.metrics.Summary.Phase;
import org.sparkfinetune.engine.metrics.Summary.RankSummary;
import org.sparkfinetune.store.Store;
import org.sparkfinetune.testing.ChildJvm;

/** Every cell of every notebook, in a process of its own as a notebook's kernel would run it. */
class NotebooksTest {
  private static final Path NOTEBOOKS = Path.of("../notebooks").toAbsolutePath().normalize();
  private static final Path SAMPLE = Path.of("../jobs/sample").toAbsolutePath().normalize();

  /** What Java kernels offer, in its simplest form. */
  private static final String DISPLAY =
      """
      void display(Object shown, String type) throws java.io.IOException {
        java.nio.file.Files.writeString(
            java.nio.file.Path.of(System.getProperty("shown")),
            "[" + type + "] " + shown + System.lineSeparator(),
            java.nio.file.StandardOpenOption.CREATE,
            java.nio.file.StandardOpenOption.APPEND);
      }
      """;

  @TempDir private Path folder;

  static Stream<Path> notebooks() throws IOException {
    try (Stream<Path> files = Files.list(NOTEBOOKS)) {
      return files.filter(f -> f.toString().endsWith(".ipynb")).sorted().toList().stream();
    }
  }

  @ParameterizedTest
  @MethodSource("notebooks")
  void every_cell_runs_and_a_picture_is_shown(Path notebook) throws IOException {
    writeData();
    writeRun();
    writeAdapter();
    String shown = run(cells(notebook));
    assertThat(shown).contains("[text/html] ").containsAnyOf("<svg", "<pre");
  }

  @ParameterizedTest
  @MethodSource("notebooks")
  void no_output_is_kept(Path notebook) throws IOException {
    for (JsonNode cell : new ObjectMapper().readTree(notebook.toFile()).path("cells")) {
      if (cell.path("cell_type").asText().equals("code")) {
        assertThat(cell.path("outputs")).isEmpty();
        assertThat(cell.path("execution_count").isNull()).isTrue();
      }
    }
  }

  @Test
  void they_are_numbered_and_each_asks_one_question() throws IOException {
    int number = 1;
    for (Path notebook : notebooks().toList()) {
      assertThat(notebook.getFileName().toString()).startsWith(number++ + "-");
      String first =
          new ObjectMapper().readTree(notebook.toFile()).at("/cells/0/source/0").asText();
      assertThat(first).startsWith("# ").contains("?");
    }
    assertThat(number).isGreaterThan(4);
  }

  private static List<String> cells(Path notebook) throws IOException {
    List<String> cells = new ArrayList<>();
    for (JsonNode cell : new ObjectMapper().readTree(notebook.toFile()).path("cells")) {
      if (cell.path("cell_type").asText().equals("code")) {
        StringBuilder source = new StringBuilder();
        cell.path("source").forEach(line -> source.append(line.asText()));
        cells.add(source.toString());
      }
    }
    return cells;
  }

  /** What the cells displayed. */
  private String run(List<String> cells) throws IOException {
    Path shown = folder.resolve("shown");
    List<String> options = new ArrayList<>(ChildJvm.SHORT_LIVED);
    options.addAll(
        List.of(
            "-Dshown=" + shown,
            "-Ddata=" + folder.resolve("data"),
            "-Dmodel=" + SAMPLE.resolve("model"),
            "-Drun=" + folder.resolve("run"),
            "-Dadapter=" + folder.resolve("adapter"),
            "--add-modules=jdk.incubator.vector",
            "-Dfile.encoding=UTF-8",
            "-Xmx512m"));
    try (JShell shell = JShell.builder().remoteVMOptions(options.toArray(String[]::new)).build()) {
      // In one go: jshell reads its whole class path again after each addition.
      shell.addToClasspath(System.getProperty("java.class.path"));
      evaluate(shell, DISPLAY);
      cells.forEach(cell -> evaluate(shell, cell));
    }
    return Files.readString(shown);
  }

  private static void evaluate(JShell shell, String cell) {
    String left = cell;
    while (!left.isBlank()) {
      CompletionInfo part = shell.sourceCodeAnalysis().analyzeCompletion(left);
      assertThat(part.completeness().isComplete()).as(left).isTrue();
      for (SnippetEvent event : shell.eval(part.source())) {
        assertThat(event.exception()).as(part.source()).isNull();
        assertThat(event.status())
            .as(
                "%s%n%s",
                part.source(),
                shell.diagnostics(event.snippet()).map(d -> d.getMessage(null)).toList())
            .isNotEqualTo(Snippet.Status.REJECTED);
      }
      left = part.remaining();
    }
  }

  private void writeData() throws IOException {
    Path data = Files.createDirectories(folder.resolve("data"));
    List<String> lines = new ArrayList<>();
    for (int i = 1; i <= 40; i++) {
      lines.add(
          new ObjectMapper()
              .writeValueAsString(
                  Map.of(
                      "messages",
                      List.of(
                          Map.of("role", "system", "content", "CREATE TABLE t (a INTEGER)"),
                          Map.of("role", "user", "content", "How many? ".repeat(i)),
                          Map.of("role", "assistant", "content", "SELECT COUNT(*) FROM t")))));
    }
    Files.write(data.resolve("train_dataset.json"), lines);
    Files.write(data.resolve("test_dataset.json"), lines.subList(0, 5));
  }

  private void writeRun() {
    RunFolder run = RunFolder.of(folder.resolve("run").toString());
    Store files = new Store(new Configuration());
    try (MetricsLog log = MetricsLog.start(run, files)) {
      log.write(new MetricsLine.Train(1, 0.5, 2, 1, 1e-4, 10, 100, 0));
      log.write(new MetricsLine.Train(2, 1, 1, 1, 1e-4, 10, 100, 0));
      log.write(new MetricsLine.Eval(2, 1, 1.5, 10));
    }
    new Summary(
            2,
            3,
            100,
            1.5,
            OptionalDouble.of(1.5),
            Optional.empty(),
            1,
            List.of(new RankSummary(0, "host", 1L << 30, 1, 0, 1 << 20)),
            Map.of(Phase.FORWARD, 1.0))
        .write(run, files);
  }

  /** LoRA of rank 1 on the first layer's q_proj, as PEFT writes it. */
  private void writeAdapter() throws IOException {
    Path adapter = Files.createDirectories(folder.resolve("adapter"));
    Files.writeString(
        adapter.resolve("adapter_config.json"),
        """
        {"peft_type": "LORA", "task_type": "CAUSAL_LM", "r": 1, "lora_alpha": 1,
         "lora_dropout": 0.0, "bias": "none", "target_modules": ["q_proj"],
         "base_model_name_or_path": "model", "layers_to_transform": null}
        """);
    JsonNode model = new ObjectMapper().readTree(SAMPLE.resolve("model/config.json").toFile());
    int hidden = model.path("hidden_size").asInt();
    int layers = model.path("num_hidden_layers").asInt();
    StringBuilder header = new StringBuilder("{\"__metadata__\":{\"format\":\"pt\"}");
    int at = 0;
    for (int layer = 0; layer < layers; layer++) {
      for (String half : List.of("A", "B")) {
        String shape = half.equals("A") ? "[1," + hidden + "]" : "[" + hidden + ",1]";
        header.append(
            ",\"base_model.model.model.layers.%d.self_attn.q_proj.lora_%s.weight\":{\"dtype\":\"F32\",\"shape\":%s,\"data_offsets\":[%d,%d]}"
                .formatted(layer, half, shape, at, at + 4 * hidden));
        at += 4 * hidden;
      }
    }
    header.append("}");
    ByteBuffer bytes = ByteBuffer.allocate(8 + header.length() + at).order(LITTLE_ENDIAN);
    bytes.putLong(header.length()).put(header.toString().getBytes(StandardCharsets.US_ASCII));
    for (int i = 0; bytes.hasRemaining(); i++) {
      bytes.putFloat((float) Math.sin(i));
    }
    Files.write(adapter.resolve("adapter_model.safetensors"), bytes.array());
  }
}
