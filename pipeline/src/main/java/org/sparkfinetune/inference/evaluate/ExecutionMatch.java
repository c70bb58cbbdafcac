package org.sparkfinetune.inference.evaluate;

import java.util.Optional;
import java.util.OptionalDouble;
import org.sparkfinetune.inference.evaluate.SampleResult.Verdict;

/** Whether the answer, as a query, gives what the expected query gives on the prompt's schema. */
final class ExecutionMatch implements AnswerMetric {
  private final SqlJudge judge;

  ExecutionMatch(SqlJudge judge) {
    this.judge = judge;
  }

  @Override
  public String name() {
    return "execution_match";
  }

  @Override
  public OptionalDouble score(AnsweredSample sample) {
    return judge(sample).score();
  }

  @Override
  public Judgement judge(AnsweredSample sample) {
    Verdict verdict =
        SchemaText.of(sample.conversation())
            .map(schema -> judge.judge(schema, sample.expected(), sample.answer()))
            .orElseGet(
                () ->
                    new Verdict(Verdict.Kind.UNJUDGED, "the prompt has no CREATE TABLE statement"));
    OptionalDouble score =
        verdict.kind() == Verdict.Kind.UNJUDGED
            ? OptionalDouble.empty()
            : OptionalDouble.of(verdict.isMatch() ? 1 : 0);
    return new Judgement(score, Optional.of(verdict));
  }
}
