package org.sparkfinetune.spark.train;

import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.sparkfinetune.spark.train.FaultCase.Moment;
import org.sparkfinetune.spark.train.FaultCase.Outcome;
import org.sparkfinetune.spark.train.FaultCase.Place;

/** Every death with the moments it is tried at. */
final class FaultCases {
  static final String ONE_EXECUTOR = "SIGKILL of one executor";
  private static final String SIGTERM = "SIGTERM";
  private static final String AWAY_AT_SIGTERM =
      "SIGTERM while the run folder's store is away for 3 s";
  private static final String FLIPPED_BIT = "a bit of a checkpoint's shard flipped";
  private static final String KILL = "kill -9 $SELF";
  private static final String CHECKPOINT_SHARD =
      "RUN/checkpoints/step-00000008/rank-00001-of-00002.safetensors";
  private static final List<String> EVALUATES =
      List.of("--eval_strategy", "steps", "--eval_steps", "6");

  private FaultCases() {}

  /** Those that each build runs: executors that die cost half a minute each. */
  static Stream<FaultCase> few() {
    return all()
        .filter(
            c ->
                switch (c.death()) {
                  case ONE_EXECUTOR -> c.moment() == Moment.FORWARD;
                  case FLIPPED_BIT -> c.moment() == Moment.SAVE;
                  case AWAY_AT_SIGTERM -> c.moment() == Moment.BACKWARD;
                  case SIGTERM -> c.moment() == Moment.LOADING || c.moment() == Moment.EVALUATION;
                  default -> false;
                });
  }

  static Stream<FaultCase> all() {
    List<FaultCase> cases = new ArrayList<>();
    add(cases, ONE_EXECUTOR, KILL, Outcome.NEXT_ATTEMPT, EnumSet.allOf(Moment.class));
    add(
        cases,
        "SIGKILL of all executors",
        "kill -9 $ALL",
        Outcome.NEXT_ATTEMPT,
        EnumSet.complementOf(EnumSet.of(Moment.EVALUATION)));
    add(
        cases,
        "SIGKILL of the driver",
        "kill -9 DRIVER",
        Outcome.NEXT_COMMAND,
        EnumSet.of(Moment.LOADING, Moment.BACKWARD, Moment.SAVE, Moment.FINAL_SAVE));
    add(
        cases,
        "SIGSTOP of an executor for longer than the time-out",
        "kill -STOP $SELF",
        Outcome.NEXT_ATTEMPT,
        EnumSet.of(Moment.FORWARD, Moment.BACKWARD, Moment.SAVE));
    add(cases, SIGTERM, "kill -TERM DRIVER", Outcome.STOPS, EnumSet.allOf(Moment.class));
    add(
        cases,
        "out of memory in a rank",
        Fault.OUT_OF_MEMORY,
        Outcome.NEXT_ATTEMPT,
        EnumSet.of(Moment.FORWARD, Moment.BACKWARD, Moment.EVALUATION));
    addDisks(cases);
    addDamage(cases);
    addOtherRuns(cases);
    addNetwork(cases);
    add(
        cases,
        "the run folder's store away for 5 s",
        "touch AWAY; sleep 5; rm AWAY",
        Outcome.NEXT_ATTEMPT,
        Place.STORE,
        EnumSet.of(Moment.SAVE, Moment.EVALUATION, Moment.FINAL_SAVE));
    add(
        cases,
        AWAY_AT_SIGTERM,
        signalWhileAway(),
        Outcome.STOPS,
        Place.STORE,
        EnumSet.of(Moment.BACKWARD, Moment.SAVE, Moment.EVALUATION));
    return cases.stream();
  }

  /**
   * The ranks stand still meanwhile, in what stands for a long step: a save that failed would end
   * the run as well. They go on once the request is in the store, or ought to be.
   */
  private static String signalWhileAway() {
    return """
    kill -STOP $ALL
    touch AWAY
    kill -TERM DRIVER
    sleep 3
    rm AWAY
    for i in $(seq 50); do
      [ -e RUN/.stop ] && break
      sleep 0.1
    done
    kill -CONT $ALL
    """;
  }

  private static void addDisks(List<FaultCase> cases) {
    add(
        cases,
        "full disk under the checkpoint",
        "cat /dev/zero > RUN/../full",
        Outcome.WAITS_FOR_A_REPAIR,
        Place.SMALL_DISKS,
        EnumSet.of(Moment.SAVE, Moment.FINAL_SAVE));
    add(
        cases,
        "full disk under the shard store",
        "rm -rf SHARDS/*; cat /dev/zero > SHARDS/full",
        Outcome.WAITS_FOR_A_REPAIR,
        Place.SMALL_DISKS,
        EnumSet.of(Moment.LOADING));
    add(
        cases,
        "full disk under the shard store, found when the model is loaded again",
        "rm -rf SHARDS/*; %s\n%s".formatted(KILL, keptFull("SHARDS")),
        Outcome.WAITS_FOR_A_REPAIR,
        Place.SMALL_DISKS,
        EnumSet.of(Moment.BACKWARD));
    add(
        cases,
        "full disk under Spark's scratch, found when an executor starts again",
        "%s\n%s".formatted(KILL, keptFull("SCRATCH")),
        Outcome.WAITS_FOR_A_REPAIR,
        Place.SMALL_DISKS,
        EnumSet.of(Moment.BACKWARD));
    cases.add(
        scratchFull("before activations go there", Moment.LOADING, Outcome.WAITS_FOR_A_REPAIR));
    cases.add(
        scratchFull("once activations have their place there", Moment.FORWARD, Outcome.UNNOTICED));
  }

  private static FaultCase scratchFull(String when, Moment moment, Outcome outcome) {
    return new FaultCase(
        "full disk under Spark's scratch, " + when,
        moment,
        "cat /dev/zero > SCRATCH/full",
        outcome,
        Place.SMALL_DISKS,
        List.of("--activation_offload", "true"));
  }

  /**
   * Files that a process had open free their room when it ends: so the disk is filled again and
   * again until the test takes {@code .kept} away, which waits for {@code .keeping} to go.
   */
  private static String keptFull(String folder) {
    return """
    touch %1$s.kept %1$s.keeping
    for i in $(seq 600); do
      [ -e %1$s.kept ] || break
      cat /dev/zero >> %1$s/full 2>/dev/null
      sleep 0.1
    done
    rm -f %1$s.kept %1$s.keeping
    """
        .formatted(folder);
  }

  private static void addDamage(List<FaultCase> cases) {
    Set<Moment> moments = EnumSet.of(Moment.BACKWARD, Moment.SAVE);
    add(
        cases,
        "a checkpoint's shard lost",
        "rm %s; %s".formatted(CHECKPOINT_SHARD, KILL),
        Outcome.NEXT_ATTEMPT_FROM_AN_OLDER_ONE,
        moments);
    add(
        cases,
        "a checkpoint's shard cut short",
        "truncate -s -100 %s; %s".formatted(CHECKPOINT_SHARD, KILL),
        Outcome.NEXT_ATTEMPT_FROM_AN_OLDER_ONE,
        moments);
    add(
        cases,
        FLIPPED_BIT,
        "%s %s; %s"
            .formatted(
                "flip() { at=$(($(stat -c %s $1) / 2)); old=$(od -An -tu1 -j $at -N 1 $1);"
                    + " printf \"\\\\$(printf %o $((old ^ 1)))\" |"
                    + " dd of=$1 bs=1 seek=$at conv=notrunc 2>/dev/null; }; flip",
                CHECKPOINT_SHARD, KILL),
        Outcome.NEXT_ATTEMPT_FROM_AN_OLDER_ONE,
        moments);
    add(
        cases,
        "the shard store's files lost",
        "rm -rf SHARDS/*; " + KILL,
        Outcome.NEXT_ATTEMPT,
        moments);
  }

  /** The run is held up, in parts that peers wait for, until it is known what the others do. */
  private static void addOtherRuns(List<FaultCase> cases) {
    for (Moment moment : List.of(Moment.FORWARD, Moment.BACKWARD)) {
      cases.add(
          new FaultCase(
              "shards evicted by another run while they are served",
              moment,
              "EVICTION SHARDS",
              Outcome.UNNOTICED,
              Place.ANY,
              List.of("--exchange", "network")));
    }
    add(
        cases,
        "clocks apart: the lock is 2 hours old, and a second driver comes",
        """
        touch -d '2 hours ago' RUN/.lock/*
        (SECOND_DRIVER RUN; echo $? > RUN/../code) &
        until [ -s RUN/../code ]; do
          kill -STOP $SELF; sleep 4; kill -CONT $SELF; sleep 1
        done
        [ $(cat RUN/../code) = 2 ] || kill -9 $SELF
        """,
        Outcome.UNNOTICED,
        EnumSet.of(Moment.BACKWARD));
    add(
        cases,
        "clocks apart: SIGKILL of the driver, whose lock is of next year and of another host",
        """
        kill -STOP DRIVER
        sed -i 's/ on kernel [^ ]*/ on kernel another/' RUN/.lock/*
        touch -d '1 year' RUN/.lock/*
        kill -9 DRIVER
        """,
        Outcome.NEXT_COMMAND,
        EnumSet.of(Moment.BACKWARD));
  }

  private static void addNetwork(List<FaultCase> cases) {
    add(
        cases,
        "link cut for 4 s",
        "ip link set dev lo down; sleep 4; ip link set dev lo up",
        Outcome.UNNOTICED,
        Place.OWN_NETWORK,
        EnumSet.of(Moment.BACKWARD, Moment.SAVE));
    add(
        cases,
        "link cut for longer than the time-out",
        "ip link set dev lo down; sleep 30; ip link set dev lo up",
        Outcome.NEXT_ATTEMPT,
        Place.OWN_NETWORK,
        EnumSet.of(Moment.FORWARD, Moment.FINAL_SAVE));
    add(
        cases,
        "link slow (8 Mbit/s) from then on",
        "tc qdisc add dev lo root tbf rate 8mbit burst 256k latency 400ms",
        Outcome.UNNOTICED,
        Place.OWN_NETWORK,
        EnumSet.of(Moment.LOADING, Moment.BACKWARD));
  }

  private static void add(
      List<FaultCase> cases, String death, String command, Outcome outcome, Set<Moment> moments) {
    add(cases, death, command, outcome, Place.ANY, moments);
  }

  private static void add(
      List<FaultCase> cases,
      String death,
      String command,
      Outcome outcome,
      Place place,
      Set<Moment> moments) {
    for (Moment moment : moments) {
      List<String> keys = moment == Moment.EVALUATION ? EVALUATES : List.of();
      cases.add(new FaultCase(death, moment, command, outcome, place, keys));
    }
  }
}
