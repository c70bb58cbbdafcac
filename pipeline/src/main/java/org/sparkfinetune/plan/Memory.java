package org.sparkfinetune.plan;

import java.util.ArrayList;
import java.util.List;

/**
 * Bytes of one rank at the step's peak, by kind.
 *
 * @param lines of the device; on a CPU, of the rank's process
 * @param hostLines of the host, for each rank: what a device's memory does not hold
 * @param disk bytes on the disk of each host: its ranks' shard files
 * @param checkpoint bytes of one checkpoint on shared storage
 */
public record Memory(List<Line> lines, List<Line> hostLines, long disk, long checkpoint) {

  /** What memory is taken for. */
  public enum Kind {
    FROZEN_SHARD("frozen shard"),
    TRAINABLE_STATE("trainable state"),
    GRADIENTS("gradients under way"),
    UNSHARDED_LAYER("unsharded layer"),
    ACTIVATIONS("activations kept"),
    LAYER_WORK("inside a layer"),
    HEAD("head and loss"),
    EVALUATION("evaluation"),
    CHECKPOINT("copy for a checkpoint"),
    KERNELS("kernels for shapes"),
    ALLOCATOR("allocator's slack"),
    PROCESS("process");

    private final String text;

    Kind(String text) {
      this.text = text;
    }

    /** In words. */
    public String text() {
      return text;
    }
  }

  /** Whether the system can take it back. */
  public enum Backing {
    /** It is in use or the run fails. */
    ANONYMOUS,
    /** Pages of a file: the system drops them when memory is short, and the run gets slower. */
    FILE,
    /** It takes what is left: with less of it the run gets slower. */
    WHAT_IS_LEFT
  }

  record Line(Kind kind, Backing backing, long bytes) {}

  public Memory {
    lines = List.copyOf(lines);
    hostLines = List.copyOf(hostLines);
  }

  /** Bytes that have to be there: head, layer and evaluation do not work at the same time. */
  public long needed() {
    return peak(lines, Backing.ANONYMOUS);
  }

  /** Bytes of mapped files beside them. */
  public long mapped() {
    return peak(lines, Backing.FILE);
  }

  /** Bytes of frozen weights that the device keeps beside them. */
  public long resident() {
    return peak(lines, Backing.WHAT_IS_LEFT);
  }

  /** Bytes on the host that have to be there, for each rank. */
  public long hostNeeded() {
    return peak(hostLines, Backing.ANONYMOUS);
  }

  /** Bytes of mapped files on the host, for each rank. */
  public long hostMapped() {
    return peak(hostLines, Backing.FILE);
  }

  static long peak(List<Line> lines, Backing backing) {
    long kept = 0;
    long work = 0;
    for (Line line : lines) {
      if (line.backing() == backing) {
        switch (line.kind()) {
          case HEAD, LAYER_WORK, EVALUATION -> work = Math.max(work, line.bytes());
          default -> kept += line.bytes();
        }
      }
    }
    return kept + work;
  }

  /** Of frozen weights, with this. */
  Residency residency(Workload work, Device device) {
    return Residency.of(work, device, needed());
  }

  static Memory of(Workload work, Device device) {
    return new MemoryFormulas(work, device).memory();
  }

  static final class Lines {
    private final List<Line> lines = new ArrayList<>();

    Lines add(Kind kind, long bytes) {
      lines.add(new Line(kind, Backing.ANONYMOUS, bytes));
      return this;
    }

    Lines addFile(Kind kind, long bytes) {
      lines.add(new Line(kind, Backing.FILE, bytes));
      return this;
    }

    Lines addWhereLeft(Kind kind, long bytes) {
      lines.add(new Line(kind, Backing.WHAT_IS_LEFT, bytes));
      return this;
    }

    List<Line> all() {
      return lines.stream().filter(line -> line.bytes() > 0).toList();
    }
  }
}
