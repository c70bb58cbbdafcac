"""Makes the Parquet files beside it, whose columns that prepare does not need are of types that Spark cannot read.

usage: make.py (needs pyarrow and numpy)
"""
import datetime, pathlib
import numpy, pyarrow as pa, pyarrow.parquet as pq

HERE = pathlib.Path(__file__).parent
N = 6


def rows(first):
    return {
        "question": [f"How many rows has table {i}?" for i in range(first, first + N)],
        "context": [f"CREATE TABLE t{i} (a INT)" for i in range(first, first + N)],
        "answer": [f"SELECT COUNT(*) FROM t{i}" for i in range(first, first + N)],
    }


def write(name, first, **others):
    columns = rows(first) | others
    codecs = {column: "brotli" if column == "pages" else "snappy" for column in columns}
    pq.write_table(pa.table(columns), HERE / name, compression=codecs)


write("plain.parquet", 0, id=pa.array(range(N), pa.int64()))
write("timestamp-ns.parquet", 10, id=pa.array([f"row {i}" for i in range(N)]),
      created=pa.array(range(N), pa.timestamp("ns", "UTC")))
write("time32.parquet", 20, id=pa.array([{"n": i} for i in range(N)]),
      at=pa.array([datetime.time(1, 2, i) for i in range(N)], pa.time32("ms")))
write("float16.parquet", 30, score=pa.array(numpy.arange(N, dtype=numpy.float16)))
write("brotli.parquet", 40, pages=pa.array(["page " * 200] * N))
# Columns that are needed.
write("answer-time32.parquet", 50, answer=pa.array([datetime.time(1, 2, i) for i in range(N)], pa.time32("ms")))
write("answer-int64.parquet", 60, answer=pa.array(range(N), pa.int64()))
pq.write_table(pa.table({key: value for key, value in rows(70).items() if key != "answer"} | {"reply": ["x"] * N}), HERE / "answer-missing.parquet")
# Conversations beside columns of every type that stopped a reader of whole rows.
(HERE / "messages" / "differing").mkdir(parents=True, exist_ok=True)
MESSAGES = pa.array([[{"role": "user", "content": f"q{i}"}, {"role": "assistant", "content": f"a{i}"}] for i in range(2)])
TIMES = [datetime.time(1), datetime.time(2)]
for name, other in {
    "timestamp-ns": pa.array([1, 2], pa.timestamp("ns")), "time32": pa.array(TIMES, pa.time32("ms")),
    "time64": pa.array(TIMES, pa.time64("us")), "null": pa.nulls(2), "duration": pa.array([1, 2], pa.duration("us")),
    "float16": pa.array(numpy.array([1, 2], numpy.float16)),
}.items():
    pq.write_table(pa.table({"messages": MESSAGES, name: other}), HERE / "messages" / f"{name}.parquet")
for i, kind in enumerate([pa.int32(), pa.int64(), pa.string()]):
    pq.write_table(pa.table({"id": pa.array([1, 2]).cast(kind), "messages": MESSAGES}), HERE / "messages" / "differing" / f"part-{i}.parquet")
print("pyarrow", pa.__version__, "numpy", numpy.__version__)
