"""Writes text-metrics.json: ROUGE-L and chrF of pairs of texts, by rouge-score and sacrebleu.

usage: text-metrics.py
needs: rouge-score sacrebleu
"""
import json, random
from importlib.metadata import version
from pathlib import Path
from rouge_score import rouge_scorer
from sacrebleu.metrics import CHRF

PAIRS = [
    ("the cat sat on the mat", "the cat sat on the mat"), ("the cat sat on the mat", "The cat, sitting on a mat."),
    ("police killed the gunman", "the gunman police killed"), ("a b c d e f g", "g f e d c b a"), ("one two", ""), ("one two", "three"),
    ("a", "a"), ("ab", "a"), ("abc", "abcd"), ("short", "a much longer answer that says short at its end, and short again"),
    ("SELECT name FROM head WHERE age > 56", "select count(*) from head where age >= 56"), ("It's 3.14, isn't it?", "its 3.14 isnt it"),
    ("naïve café", "naive cafe"), ("naïve café", "naïve café"), ("İstanbul ALPHA 7", "istanbul alpha 7"), ("\u212a kelvin", "k kelvin"),
    ("今日はいい天気ですね", "今日は天気がいいですね"), ("emoji 😀😃 here", "emoji 😀😄 here"), ("tabs\tand\nlines\u00a0and\u3000spaces\u0085here", "tabs and lines and spaces here"),
    ("a_b-c d.e", "a b c d e"), ("x" * 50, "x" * 20), ("aaaa", "aa aa aa"), ("repeat repeat repeat", "repeat"), ("...", "!!!"),
]

def pairs():
    """Those above, and sentences with words that were left out, doubled, swapped or changed."""
    yield from PAIRS
    draw = random.Random(7)
    words = "the model reads a query, and answers with the number of rows it found in 12 tables; none were Empty".split()
    for _ in range(40):
        expected = [draw.choice(words) for _ in range(draw.randint(1, 30))]
        answer = list(expected)
        for _ in range(draw.randint(0, 8)):
            at = draw.randrange(len(answer)) if answer else 0
            change = draw.randrange(4)
            if change == 0: del answer[at:at + 1]
            elif change == 1: answer.insert(at, draw.choice(words))
            elif change == 2: draw.shuffle(answer)
            elif answer: answer[at] = answer[at][::-1]
        yield " ".join(expected), " ".join(answer)

rouge, chrf = rouge_scorer.RougeScorer(["rougeL"]), CHRF()
assert (chrf.char_order, chrf.word_order, chrf.beta, chrf.whitespace) == (6, 0, 2, False)
golden = {
    "versions": {name: version(name) for name in ("rouge-score", "sacrebleu")},
    "pairs": [dict(expected=expected, answer=answer, rouge_l=rouge.score(expected, answer)["rougeL"].fmeasure, chrf=chrf.sentence_score(answer, [expected]).score / 100)
              for expected, answer in pairs()],
}
Path(__file__).with_name("text-metrics.json").write_text(json.dumps(golden, indent=1) + "\n")
