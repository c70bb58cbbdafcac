package org.sparkfinetune.engine.fsdp;

/**
 * Some units split evenly between ranks: every rank has {@code ceil(units / ranks)} of them but the
 * last ones, which may have fewer or none.
 */
record EvenSplit(long units, int ranks) {
  long perRank() {
    return (units + ranks - 1) / ranks;
  }

  long begin(int rank) {
    return Math.min(units, rank * perRank());
  }

  long end(int rank) {
    return Math.min(units, (rank + 1) * perRank());
  }

  long count(int rank) {
    return end(rank) - begin(rank);
  }

  int owner(long unit) {
    return (int) (unit / perRank());
  }
}
