"""Compares data.jinja with jinja2 over random templates. Opt-in: needs jinja2 3.1.6.

    python jinja_fuzz.py --classpath "target/test-classes:target/classes:$(cat cp.txt)" \
        --count 50000 --seed 1 [--templates DIR]

A template is made of random expressions and statements; both engines render it with the same
variables. A line is printed for each difference in text, or in the class of the error. With
--templates, every *.jinja file under the folder is rendered over conversations instead.
"""

import argparse
import copy
import datetime
import functools
import glob
import json
import random
import re
import subprocess
import sys
import warnings

import jinja2
import jinja2.ext
from jinja2.sandbox import ImmutableSandboxedEnvironment

NOW = datetime.datetime(2024, 7, 6, 15, 4, 5)

VARIABLES = {
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": " Hi\nthere é😀 <b> "},
        {"role": "assistant", "content": "<think>a</think>\n\nb", "tool_calls": [
            {"type": "function", "id": "c1", "function": {
                "name": "f", "arguments": {"x": 1, "y": [1.5, None, True], "z": "q'\"\\"}}}]},
        {"role": "tool", "content": "3", "name": "f"},
        {"role": "user", "content": ""},
    ],
    "n": 7, "m": -3, "f": 2.5, "t": True, "none": None, "s": "Hello World", "u": "ß😀 ǆ\t\n",
    "l": [3, 1, 2], "ls": ["b", "A", "c", "a"], "d": {"b": 1, "a": [1, 2], "items": 5},
    "e": [], "add_generation_prompt": True, "tools": None, "bos_token": "<s>",
}


class Generation(jinja2.ext.Extension):
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_caller"), [], [], body).set_lineno(line)

    def _caller(self, caller):
        return caller()


def environment():
    env = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols])

    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators,
                          sort_keys=sort_keys)

    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = NOW.strftime
    return env


class Maker:
    def __init__(self, rng):
        self.r = rng
        self.names = list(VARIABLES)

    def pick(self, *options):
        return self.r.choice(options)

    def atom(self):
        r = self.r.random()
        if r < 0.4:
            return self.pick("s", "u", "n", "m", "f", "t", "l", "ls", "d", "e", "messages",
                             "messages[1].content", "messages[2]['content']", "messages[-1]",
                             "messages[2].tool_calls[0].function.arguments", "missing",
                             "messages[0].role", "tools", "none", "bos_token", "d.a", "d['items']")
        return self.pick("0", "1", "2", "-1", "3", "10", "1.0", "0.5", "-2.5", "1e3", "1e20", "0.1",
                         "'a'", "'A b'", "''", "' x '", "'a,b,,c'", "'é😀'", "'12'", "'1.5'", "\"it's\"",
                         "'%s'", "'%d'", "'{}'", "'\\n'", "true", "false", "none", "[]", "{}", "()",
                         "[1, 'a', none]", "(1, 2)", "(1,)", "{'a': 1, 'b': [2]}", "[[1, 2], [3, 4]]",
                         "[true, 0, 'x', '']", "range(3)", "2**70", "'<&>'", "['b', 'a', 'C']")

    def expr(self, depth):
        if depth <= 0:
            return self.atom()
        e = lambda: self.expr(depth - 1)
        r = self.r.random()
        if r < 0.12:
            return self.atom()
        if r < 0.30:
            op = self.pick("+", "-", "*", "/", "//", "%", "~", "+", "~", "==", "!=", "<", "<=", ">", ">=",
                           "in", "not in", "and", "or")
            return "%s %s %s" % (e(), op, e())
        if r < 0.34:
            return "(%s)" % e()
        if r < 0.38:
            return self.pick("not ", "-", "+") + e()
        if r < 0.42:
            return "%s if %s else %s" % (e(), e(), e())
        if r < 0.45:
            return "(%s)[%s]" % (e(), e())
        if r < 0.50:
            part = lambda: self.pick("", "", "0", "1", "-1", "2", "-3", "10")
            return "(%s)[%s:%s%s]" % (e(), part(), part(), self.pick("", "", ":2", ":-1", ":-2"))
        if r < 0.55:
            return "(%s) is %s" % (e(), self.pick("", "not ") + self.test(depth))
        if r < 0.78:
            return "(%s)|%s" % (e(), self.filter(depth))
        if r < 0.95:
            return "(%s).%s" % (self.pick(e(), self.pick("s", "u", "messages[1].content", "'a-b-c'")),
                                self.method(depth))
        return self.pick("[%s, %s]", "(%s, %s)", "{'k': %s, 1: %s}", "dict(a=%s, b=%s)") % (e(), e())

    def test(self, depth):
        return self.pick(
            "defined", "undefined", "none", "string", "number", "integer", "float", "mapping",
            "sequence", "iterable", "boolean", "true", "false", "odd", "even", "lower", "upper",
            "callable", "eq(%s)" % self.atom(), "in(%s)" % self.expr(depth - 1), "divisibleby(2)",
            "ne 1", "gt(%s)" % self.atom(), "lt 2", "ge 1", "le 1", "equalto 'a'", "escaped",
            "sameas(none)", "sameas true")

    def filter(self, depth):
        a = self.atom
        return self.pick(
            "length", "count", "first", "last", "list", "string", "upper", "lower", "title",
            "capitalize", "trim", "trim('a')", "reverse|list", "sort", "sort(reverse=true)|list",
            "unique|list", "min", "max", "sum", "join", "join(', ')", "join(%s)" % a(), "tojson",
            "tojson(indent=2)", "tojson(sort_keys=true)", "tojson(separators=(',', ':'))",
            "tojson(ensure_ascii=true)", "int", "int(%s)" % a(), "float", "abs", "round", "round(1)",
            "round(2, 'floor')", "round(method='ceil')", "default('d')", "default(%s, true)" % a(),
            "d", "replace('a', 'b')", "replace(%s, %s)" % (a(), a()), "replace('l', 'L', 1)",
            "map('upper')|list", "map('length')|list", "map(attribute='role')|list",
            "map(attribute='role', default='x')|join(',')", "select|list", "reject|list",
            "select('string')|list", "reject('none')|list", "selectattr('role')|list|length",
            "selectattr('role', 'equalto', 'user')|list", "rejectattr('content')|list",
            "items|list", "dictsort", "dictsort(by='value')|list", "dictsort(reverse=true)",
            "batch(2)|list", "batch(2, 'x')|list", "slice(2)|list", "slice(2, 0)|list",
            "groupby('role')|list", "groupby('role')|map('first')|list", "indent", "indent(2, true)",
            "indent('>', blank=true)", "center(9)", "truncate(8)", "truncate(5, true, '')", "wordcount",
            "escape", "e|safe", "safe", "urlencode", "format(%s)" % a(), "attr('role')", "list|tojson",
            "sort(attribute='role')|list", "reverse", "sum(start=1)", "map('int')|sum", "safe|upper")

    def method(self, depth):
        a = self.atom
        return self.pick(
            "upper()", "lower()", "strip()", "strip('a ')", "lstrip()", "rstrip('\\n')", "title()",
            "capitalize()", "swapcase()", "casefold()", "split()", "split('-')", "split(%s)" % a(),
            "split('a', 1)", "split(None, 1)", "rsplit(' ', 1)", "rsplit()", "splitlines()",
            "splitlines(true)", "partition('-')", "rpartition(' ')", "startswith('a')",
            "startswith(('a', 'H'))", "endswith(%s)" % a(), "startswith('l', 2)", "find('l')",
            "find('o', 5, -1)", "rfind('l')", "index('H')", "count('l')", "count('')", "replace('l', 'x')",
            "replace('', '-')", "replace('', '-', 2)", "replace('l', '', 1)", "join(['a', 'b'])",
            "join(%s)" % a(), "center(12, '*')", "ljust(12)", "rjust(12, '0')", "zfill(5)", "isdigit()",
            "isalpha()", "isalnum()", "isspace()", "islower()", "isupper()", "istitle()", "isnumeric()",
            "isdecimal()", "isascii()", "isidentifier()", "isprintable()", "removeprefix('H')",
            "removesuffix('d')", "expandtabs(4)", "format(%s)" % a(), "format(1, a=2)", "get('b')",
            "get('x', %s)" % a(), "items()|list", "keys()|list", "values()|list", "items()", "keys()",
            "index(1)", "count(1)", "copy()", "append(1)", "update({})", "pop()", "role", "content", "x",
            "x.y", "items", "is_integer()", "__class__", "encode", "b")

    def formatted(self):
        spec = "%" + self.pick("", "-", "0", "+", " ", "#", "-0") + self.pick("", "5", "12") + \
            self.pick("", ".0", ".2", ".10") + self.pick(*"srdifeEgGxXoc")
        if self.r.random() < 0.5:
            return "'[%s]' %% (%s,)" % (spec, self.atom())
        spec = self.pick("", "<", ">", "^", "*^", "=") + self.pick("", "+", " ") + self.pick("", "#") + \
            self.pick("", "0") + self.pick("", "8", "15") + self.pick("", ",", "_") + \
            self.pick("", ".0", ".2", ".8") + self.pick("", "d", "f", "e", "g", "s", "x", "b", "%", "n")
        field = self.pick("", "", "0", "0.a", "0.__class__", "0[b]", "0[0]", "1", "k", "k[a][1]", "0!r", "0!s", "}{")
        more = self.pick("", ", 2", ", k=d", ", k=2")
        return "'[{%s:%s}]'.format(%s%s)" % (field, spec, self.atom(), more)

    def statement(self, depth):
        e = lambda: self.expr(2)
        body = lambda: "".join(self.statement(depth - 1) for _ in range(self.r.randint(1, 2))) \
            if depth > 0 else self.pick("x", " \n y ", "{{ v }}", "{{ loop.index }}", "{{ loop.last }}")
        s = self.pick("", "-", "-", "+")
        end = self.pick("", "-")
        tag = lambda text: "{%%%s %s %s%%}" % (s, text, end)
        return self.pick(
            lambda: "{{%s %s %s}}" % (self.pick("", "-"), e(), end),
            lambda: self.pick("a", " ", "\n", "  \n", "\n  ", "b\r\n"),
            lambda: "  {# c #}\n",
            lambda: tag("if " + e()) + body() + tag("else") + body() + tag("endif"),
            lambda: tag("for v in " + e()) + body() + tag("endfor"),
            lambda: tag("for v in " + e() + " if " + e()) + body() + tag("else") + "E" + tag("endfor"),
            lambda: tag("for v in " + e()) + tag("if loop.index > 1") + tag(self.pick("break", "continue"))
            + tag("endif") + body() + "{{ loop.revindex0 }}{{ loop.previtem }}" + tag("endfor"),
            lambda: tag("set v = " + e()) + "{{ v }}",
            lambda: tag("set v") + body() + tag("endset") + "[{{ v }}]",
            lambda: tag("set v, w = " + e()) + "{{ w }}",
            lambda: tag("set ns = namespace(a=%s)" % e()) + tag("set ns.a = " + e()) + "{{ ns.a }}",
            lambda: tag("macro mf(a, b=%s)" % e()) + body() + "{{ a }}{{ b }}{{ v }}" + tag("endmacro")
            + "{{ mf(%s) }}{{ mf(1, b=%s) }}" % (e(), e()),
            lambda: tag("macro mg()") + "<{{ caller(%s) }}>" % e() + tag("endmacro") + tag("call(x) mg()")
            + body() + "{{ x }}" + tag("endcall"),
            lambda: tag("filter " + self.filter(1)) + body() + tag("endfilter"),
            lambda: tag("with v = " + e()) + body() + tag("endwith"),
            lambda: tag("generation") + body() + tag("endgeneration"),
            lambda: "{{ %s }}" % self.formatted(),
        )()


@functools.lru_cache(maxsize=1)
def compiled(env, template):
    return env.from_string(template)


def answer(env, template, variables):
    try:
        # A copy, since |indent changes a list in place; sandboxed templates can do that, ours cannot.
        return {"text": compiled(env, template).render(**copy.deepcopy(variables))}
    except SyntaxError:
        return {"text": "<class: a constant is sliced or called; jinja2 folds some of these>"}
    except RecursionError:
        return {"error": "RecursionError"}
    except Exception as e:  # every class is an answer
        return {"error": type(e).__name__, "message": str(e)}


def comparable(theirs):
    text = theirs.get("text", "").lower()
    return not any(mark in text for mark in ("object at 0x", "<function", "<built-in", "<bound", "j)",
                                             "<class", "<generator", "<reversed", "iterator", "<loop"))


CONVERSATIONS = [
    [{"role": "user", "content": "Hi."}],
    [{"role": "user", "content": "Hi."}, {"role": "assistant", "content": "Hello!"}],
    [{"role": "system", "content": " Be brief. "}, {"role": "user", "content": "Hi\n"},
     {"role": "assistant", "content": "Hello!"}, {"role": "user", "content": "é😀 'q' {{ x }}"}],
    [{"role": "user", "content": "One?"}, {"role": "assistant", "content": "<think>\nT.\n</think>\n\nTwo."},
     {"role": "user", "content": "Three?"}, {"role": "assistant", "content": "<think>\nU.\n</think>\n\nFour."}],
    [{"role": "user", "content": "One?"},
     {"role": "assistant", "content": "Two.", "reasoning_content": "Because."},
     {"role": "user", "content": "Three?"}],
    [{"role": "user", "content": "Weather?"},
     {"role": "assistant", "content": "", "tool_calls": [{"type": "function", "id": "abcdefghi", "function": {
         "name": "weather", "arguments": {"city": "Zürich", "days": 2, "x": [1.5, None, True]}}}]},
     {"role": "tool", "name": "weather", "tool_call_id": "abcdefghi", "content": "{\"t\": 21}"},
     {"role": "assistant", "content": "21 degrees."}],
    [{"role": "user", "content": [{"type": "text", "text": "List."}, {"type": "text", "text": " Two."}]}],
    [{"role": "system", "content": ""}, {"role": "user", "content": ""}, {"role": "assistant", "content": ""}],
    [{"role": "developer", "content": "Dev."}, {"role": "user", "content": "  Hi  "},
     {"role": "assistant", "content": None, "tool_calls": [{"type": "function", "id": "123456789", "function": {
         "name": "weather", "arguments": "{\"city\": \"Bern\"}"}}]}],
]
TOOLS = [{"type": "function", "function": {
    "name": "weather", "description": "Tells \"the\" weather's <state>.", "parameters": {
        "type": "object", "required": ["city"], "properties": {
            "city": {"type": "string", "description": "Where"}, "days": {"type": "integer", "enum": [1, 2]},
            "x": {"type": "array", "items": {"type": ["number", "null"]}}}}}}]


def cases(args):
    if args.templates:
        for path in sorted(glob.glob(args.templates + "/**/*.jinja", recursive=True)):
            source = open(path, encoding="utf-8", newline="").read()
            for i, messages in enumerate(CONVERSATIONS):
                for tools in (None, TOOLS):
                    for prompt in (False, True):
                        yield "%s[%d,%s,%s]" % (path, i, tools is not None, prompt), source, {
                            "messages": messages, "tools": tools, "documents": None,
                            "add_generation_prompt": prompt, "bos_token": "<s>", "eos_token": "</s>",
                            "pad_token": "<pad>", "unk_token": "<unk>"}
        return
    rng = random.Random(args.seed)
    maker = Maker(rng)
    for _ in range(args.count):
        if rng.random() < 0.6:
            yield None, "{{ %s }}" % (maker.expr(3) if rng.random() < 0.9 else maker.formatted()), VARIABLES
        else:
            yield None, "".join(maker.statement(2) for _ in range(rng.randint(1, 4))), VARIABLES


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--classpath", required=True)
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--templates")
    parser.add_argument("--table", action="store_true", help="with --templates: a line for each")
    parser.add_argument("--show", type=int, default=40)
    args = parser.parse_args()
    warnings.filterwarnings("error", category=SyntaxWarning)
    env = environment()
    made = list(cases(args))
    lines = "".join(
        json.dumps({"template": t, "variables": v, "now": NOW.isoformat()}) + "\n" for _, t, v in made)
    java = subprocess.run(
        ["java", "-Xss2m", "-cp", args.classpath, "org.sparkfinetune.data.jinja.RenderLines"],
        input=lines.encode(), stdout=subprocess.PIPE, check=True).stdout.decode().splitlines()
    compared = differ = texts = 0
    table = {}
    for (name, template, variables), ours in zip(made, java, strict=True):
        theirs, ours = answer(env, template, variables), json.loads(ours)
        # jinja2 folds a slice of a constant that has none into Undefined and goes on.
        folded = "not subscriptable" in str(ours) or "unhashable type: 'slice'" in str(ours)
        if name is None and (not comparable(theirs) or folded):
            continue
        same = theirs.get("text") == ours.get("text") and theirs.get("error") == ours.get("error")
        # The text of a method that is not called holds its address.
        if name is None and not same and re.search(r"\.(items|encode)\b(?!\()", template):
            continue
        compared += 1
        texts += "text" in theirs
        if not same:
            differ += 1
            if differ <= args.show:
                print(json.dumps(name or template, ensure_ascii=False))
                print("   jinja2:", json.dumps(theirs, ensure_ascii=False)[-300:])
                print("   ours:  ", json.dumps(ours, ensure_ascii=False)[-300:])
        if name is not None:
            row = table.setdefault(name.split("[")[0], [0, 0, 0])
            row[0 if "text" in theirs else 1] += 1
            row[2] += not same
    if args.table:
        print("| source | template | texts | refused | differ |\n| --- | --- | --- | --- | --- |")
        for path, row in sorted(table.items()):
            parts = path.removesuffix(".jinja").split("/")
            print("| %s | %s | %d | %d | %d |" % (parts[-2], parts[-1], *row))
    print("%d compared, %d of them texts, %d differ" % (compared, texts, differ))
    sys.exit(1 if differ else 0)


if __name__ == "__main__":
    main()
