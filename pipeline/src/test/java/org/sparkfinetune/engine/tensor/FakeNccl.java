package org.sparkfinetune.engine.tensor;

import com.sun.jna.Pointer;
import com.sun.jna.ptr.IntByReference;
import com.sun.jna.ptr.PointerByReference;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;

/**
 * NCCL for ranks that are threads and tensors in the host's memory. It keeps to what nccl.h and
 * NVIDIA's pages promise of communicators that do not block, and notes every call that breaks its
 * side of it. What is queued is done when it counts as queued, for there is no stream.
 */
public final class FakeNccl {
  private static final int IN_PROGRESS = 7;
  private static final int INVALID_USAGE = 5;

  /** What becomes of a rank. */
  public enum Fate {
    FINE,
    /** Its call to join fails. */
    CANNOT_JOIN,
    /** Its communicator is never there. */
    NEVER_JOINED,
    /** The thread that calls it dies in an exchange. */
    DIES,
    /** The thread that calls it stays in an exchange until somebody aborts. */
    HANGS,
    /** NCCL itself fails in an exchange, and tells so when it is asked. */
    BREAKS
  }

  private enum State {
    OUTSIDE,
    JOINING,
    UP,
    FINALIZED,
    DESTROYED,
    ABORTED
  }

  private record Transfer(int from, int to, long count, Pointer memory) {}

  private final Rank[] ranks;
  private final byte[] id = new byte[Nccl.ID_BYTES];
  private final List<String> violations = new ArrayList<>();
  private final Map<List<Integer>, Deque<Transfer>> sends = new HashMap<>();
  private final Map<List<Integer>, Deque<Transfer>> receives = new HashMap<>();
  private long moved;
  private long largest;

  public FakeNccl(int ranks) {
    this.ranks = new Rank[ranks];
    Arrays.setAll(this.ranks, Rank::new);
    new Random(5).nextBytes(id);
  }

  /**
   * @param exchange in which it happens, from 1; of no meaning for joining
   */
  public FakeNccl with(int rank, Fate fate, int exchange) {
    ranks[rank].fate = fate;
    ranks[rank].fatal = exchange;
    return this;
  }

  /** As one rank's process loads it. */
  public Nccl library(int rank) {
    return new Nccl(ranks[rank]);
  }

  /** Calls that NCCL does not allow. */
  public synchronized List<String> violations() {
    return List.copyOf(violations);
  }

  /** How each rank's communicator ended, or what it still is. */
  public synchronized List<String> ends() {
    return Arrays.stream(ranks).map(rank -> rank.state.toString()).toList();
  }

  /** Elements that went from one rank to another, or to itself. */
  public synchronized long moved() {
    return moved;
  }

  /** Elements of the largest transfer. */
  public synchronized long largest() {
    return largest;
  }

  /** All transfers for which both sides are there. */
  private void move() {
    for (List<Integer> pair : List.copyOf(sends.keySet())) {
      Deque<Transfer> from = sends.get(pair);
      Deque<Transfer> to = receives.getOrDefault(pair, new ArrayDeque<>());
      while (!from.isEmpty() && !to.isEmpty()) {
        Transfer send = from.remove();
        Transfer receive = to.remove();
        if (send.count() != receive.count()) {
          violations.add("%s elements are sent, %s received".formatted(send, receive));
        }
        int bytes = Math.toIntExact(Math.min(send.count(), receive.count()) * Float.BYTES);
        receive.memory().write(0, send.memory().getByteArray(0, bytes), 0, bytes);
        moved += send.count();
        largest = Math.max(largest, send.count());
        ranks[send.from()].left--;
        ranks[send.to()].left--;
      }
    }
  }

  private final class Rank implements Nccl.Functions {
    private final int rank;
    private final Pointer communicator;
    private Fate fate = Fate.FINE;
    private int fatal = 1;
    private State state = State.OUTSIDE;
    private boolean inGroup;
    private final List<Transfer> sent = new ArrayList<>();
    private final List<Transfer> received = new ArrayList<>();
    private int exchanges;

    /** Transfers without the other side. */
    private int left;

    Rank(int rank) {
      this.rank = rank;
      this.communicator = new Pointer(4096 + rank);
    }

    private int violated(String what) {
      violations.add("rank %s: %s".formatted(rank, what));
      return INVALID_USAGE;
    }

    @Override
    public int ncclGetVersion(IntByReference version) {
      version.setValue(22602);
      return 0;
    }

    @Override
    public int ncclGetUniqueId(byte[] to) {
      System.arraycopy(id, 0, to, 0, id.length);
      return 0;
    }

    @Override
    public int ncclCommInitRankConfig(
        PointerByReference own, int count, Nccl.UniqueId given, int number, Pointer config) {
      synchronized (FakeNccl.this) {
        boolean configured =
            config.getLong(0) == 24
                && config.getInt(8) == 0xcafebeef
                && config.getInt(12) == 21400
                && config.getInt(16) == 0;
        if (!configured
            || count != ranks.length
            || number != rank
            || !Arrays.equals(given.internal, id)
            || state != State.OUTSIDE) {
          return violated("joins with wrong arguments, or twice");
        }
        if (fate == Fate.CANNOT_JOIN) {
          return 1;
        }
        state = State.JOINING;
        own.setValue(communicator);
        return IN_PROGRESS;
      }
    }

    @Override
    public int ncclCommGetAsyncError(Pointer own, IntByReference error) {
      synchronized (FakeNccl.this) {
        if (!isAlive(own)) {
          return violated("asks about a communicator that is not");
        }
        if (state == State.JOINING
            && Arrays.stream(ranks)
                .allMatch(r -> r.state != State.OUTSIDE && r.fate != Fate.NEVER_JOINED)) {
          state = State.UP;
        }
        boolean broken = fate == Fate.BREAKS && exchanges >= fatal;
        boolean busy = state == State.JOINING || left > 0;
        error.setValue(broken ? 6 : busy ? IN_PROGRESS : 0);
        return 0;
      }
    }

    private boolean isAlive(Pointer own) {
      return communicator.equals(own)
          && (state == State.JOINING || state == State.UP || state == State.FINALIZED);
    }

    @Override
    public int ncclGroupStart() {
      synchronized (FakeNccl.this) {
        if (inGroup || state != State.UP || left > 0) {
          return violated("begins a group in state %s, %s left".formatted(state, left));
        }
        inGroup = true;
        return 0;
      }
    }

    @Override
    public int ncclSend(
        Pointer buffer, long count, int type, int peer, Pointer own, Pointer stream) {
      return transfer(sent, new Transfer(rank, peer, count, buffer), type, own, stream);
    }

    @Override
    public int ncclRecv(
        Pointer buffer, long count, int type, int peer, Pointer own, Pointer stream) {
      return transfer(received, new Transfer(peer, rank, count, buffer), type, own, stream);
    }

    private int transfer(
        List<Transfer> to, Transfer transfer, int type, Pointer own, Pointer stream) {
      synchronized (FakeNccl.this) {
        if (!inGroup || !isAlive(own) || type != 7 || stream != null || transfer.count() < 1) {
          return violated("queues %s outside a group, or of another kind".formatted(transfer));
        }
        to.add(transfer);
        return 0;
      }
    }

    @Override
    public int ncclGroupEnd() {
      synchronized (FakeNccl.this) {
        if (!inGroup) {
          return violated("ends a group that was not begun");
        }
        inGroup = false;
        exchanges++;
        if (exchanges == fatal) {
          meetFate();
        }
        left += sent.size() + received.size();
        sent.forEach(one -> queue(sends, one));
        received.forEach(one -> queue(receives, one));
        sent.clear();
        received.clear();
        move();
        return IN_PROGRESS;
      }
    }

    private void meetFate() {
      if (fate == Fate.DIES) {
        throw new IllegalStateException("rank " + rank + " was made to die");
      }
      while (fate == Fate.HANGS
          && Arrays.stream(ranks).noneMatch(other -> other.state == State.ABORTED)) {
        try {
          FakeNccl.this.wait();
        } catch (InterruptedException e) {
          throw new IllegalStateException("rank " + rank + " was woken", e);
        }
      }
    }

    private static void queue(Map<List<Integer>, Deque<Transfer>> to, Transfer transfer) {
      to.computeIfAbsent(List.of(transfer.from(), transfer.to()), pair -> new ArrayDeque<>())
          .add(transfer);
    }

    @Override
    public int ncclCommFinalize(Pointer own) {
      synchronized (FakeNccl.this) {
        if (!isAlive(own) || state != State.UP || left > 0) {
          return violated("is finalized in state %s, %s left".formatted(state, left));
        }
        state = State.FINALIZED;
        return IN_PROGRESS;
      }
    }

    @Override
    public int ncclCommDestroy(Pointer own) {
      synchronized (FakeNccl.this) {
        if (!isAlive(own) || state != State.FINALIZED) {
          return violated("is destroyed in state " + state);
        }
        state = State.DESTROYED;
        return 0;
      }
    }

    @Override
    public int ncclCommAbort(Pointer own) {
      synchronized (FakeNccl.this) {
        if (!isAlive(own)) {
          return violated("is aborted in state " + state);
        }
        state = State.ABORTED;
        sends.values().forEach(queue -> queue.removeIf(one -> one.from() == rank));
        receives.values().forEach(queue -> queue.removeIf(one -> one.to() == rank));
        FakeNccl.this.notifyAll();
        return 0;
      }
    }

    @Override
    public String ncclGetErrorString(int result) {
      return result == 1 ? "unhandled cuda error" : "error " + result;
    }

    @Override
    public String ncclGetLastError(Pointer own) {
      return fate == Fate.CANNOT_JOIN ? "Duplicate GPU detected : rank 1 and rank 0" : "";
    }
  }
}
