package org.sparkfinetune.inference.generate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.stream.IntStream;
import org.sparkfinetune.inference.generate.Generator.Generated;
import org.sparkfinetune.inference.generate.Generator.Prompt;
import org.sparkfinetune.inference.generate.Generator.Text;
import org.sparkfinetune.inference.generate.Generator.TokenListener;

/**
 * Prompts that begin with the same 20 tokens and go on with some of their own, each with a text
 * that has an answer of 12 tokens behind its prompt; two have texts of another kind.
 */
final class AnsweredTexts {
  private static final int SYSTEM = 20;
  private static final int ANSWER = 12;
  private static final int NEW = 8;

  private final List<Prompt> prompts = new ArrayList<>();

  AnsweredTexts() {
    int[] system = random(100, SYSTEM);
    for (int i = 0; i < 6; i++) {
      int[] prompt = joined(system, random(i, 5 + i));
      int[] whole = joined(prompt, random(200 + i, ANSWER));
      prompts.add(new Prompt(i, prompt, List.of(answer(whole))));
    }
    int[] all = joined(prompts.get(2).ids(), random(300, ANSWER));
    boolean[] wanted = new boolean[all.length];
    Arrays.fill(wanted, true);
    prompts.add(new Prompt(6, prompts.get(2).ids(), List.of(new Text(all, wanted))));
    Text first = answer(random(301, 20));
    Text second = new Text(random(302, 9), new boolean[9]);
    prompts.add(new Prompt(7, joined(system, random(303, 4)), List.of(first, second)));
  }

  private static int[] random(int seed, int length) {
    return new Random(seed).ints(length, 3, 96).toArray();
  }

  private static int[] joined(int[] a, int[] b) {
    return IntStream.concat(IntStream.of(a), IntStream.of(b)).toArray();
  }

  private static Text answer(int[] ids) {
    boolean[] wanted = new boolean[ids.length];
    Arrays.fill(wanted, ids.length - ANSWER, ids.length, true);
    return new Text(ids, wanted);
  }

  /** What another generator says to one prompt at a time, without texts, and to texts alone. */
  void assertEqual(Generator together, Generator alone, double tolerance) {
    List<Generated> made = run(together, prompts);
    List<Prompt> bare = prompts.stream().map(p -> new Prompt(p.sequence(), p.ids())).toList();
    List<Generated> withoutTexts = run(together, bare);
    for (int i = 0; i < prompts.size(); i++) {
      List<Text> texts = prompts.get(i).texts();
      int[] expected = run(alone, List.of(bare.get(i))).get(0).ids();
      assertThat(withoutTexts.get(i).ids()).as("answer %d without text", i).isEqualTo(expected);
      assertThat(made.get(i).ids()).as("answer %d", i).isEqualTo(expected);
      assertThat(made.get(i).losses()).hasSameSizeAs(texts);
      for (int t = 0; t < texts.size(); t++) {
        Text text = texts.get(t);
        assertThat(made.get(i).losses().get(t))
            .as("text %d of prompt %d", t, i)
            .containsExactly(alone.losses(text.ids(), text.wanted()), within(tolerance));
      }
    }
  }

  void assertReadOnce(Generator together) {
    long before = together.tokensRead();
    run(together, prompts);
    int own = 5 + 6 + 7 + 8 + 9 + 10;
    // The last token of a text is not read; of its prompt, the last is read once more.
    int answered = SYSTEM + own + 6 * (ANSWER - 1) + 6;
    int all = SYSTEM + 7 + ANSWER - 1 + 1;
    int others = 19 + SYSTEM + 4;
    assertThat(together.tokensRead() - before)
        .isBetween(
            (long) answered + all + others - SYSTEM,
            (long) answered + all + others + prompts.size() * NEW);
  }

  private static List<Generated> run(Generator generator, List<Prompt> prompts) {
    return generator.run(
        prompts,
        GenerationSettings.greedy(NEW, Set.of()),
        (prompt, token) -> TokenListener.Then.CONTINUE);
  }
}
