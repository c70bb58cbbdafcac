package org.sparkfinetune.engine.fsdp;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.file.FileStore;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.FileTime;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import java.util.zip.CRC32C;
import java.util.zip.CheckedInputStream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.engine.exchange.ProcessGroup;
import org.sparkfinetune.errors.RunFailure;

/**
 * Shard files that later runs on this host find again by what shaped them. Beside a whole one lies
 * its checksum; beside one that was not finished, how many groups it holds, and loading goes on
 * from there. For another number of ranks they are cut anew from those. When the disk gets full,
 * models that were not used for the longest time go first.
 *
 * <p>Other runs use the same folder, as may other users of the host. Until the store is closed a
 * {@link ShardLease} keeps them from deleting what this rank serves. What cannot be used, because
 * it is locked, belongs to somebody else or is no shard, is left alone; a rank that cannot have its
 * file in the store keeps one of its own.
 */
public final class ShardStore implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(ShardStore.class);
  private static final String SHARD = ".shard";
  private static final String CHECKSUM = ".crc32c";
  private static final String GROUPS = ".groups";

  private static final double FREE = 0.1;

  private final Path folder;
  private final String key;
  private final InstantSource clock;
  private final double free;
  private final List<ShardLease> leases = new ArrayList<>();

  /**
   * A store in a local folder, which is made when it is needed.
   *
   * @param key a file name that stands for all that shapes the bytes, but for which slice of how
   *     many
   */
  public ShardStore(Path folder, String key, InstantSource clock) {
    this(folder, key, clock, FREE);
  }

  /**
   * A store in a local folder.
   *
   * @param free part of the disk that is kept free
   */
  public ShardStore(Path folder, String key, InstantSource clock, double free) {
    this.folder = folder;
    this.key = key;
    this.clock = clock;
    this.free = free;
  }

  /**
   * This rank's shard file: the one that is there, or a new one; all ranks together.
   *
   * @param scratch where it is written if the store cannot be
   */
  public Path file(ShardPlan plan, ShardWriter writer, ProcessGroup exchange, Path scratch) {
    int rank = exchange.rank();
    Path file = file(plan.ranks().position(), plan.ranks().size());
    Optional<ShardLease> lease = lease(file);
    boolean whole = lease.isPresent() && isWhole(file, plan.fileBytes());
    if (exchange.sum("shards found", 0, new double[] {whole ? 1 : 0})[0] == exchange.worldSize()) {
      LOG.info("rank {}: the model's shard is there already, in {}.", rank, file);
      return file;
    }
    try {
      boolean fills = lease.isPresent() && fills(lease.get(), file);
      int first = least(exchange, fills ? groupsDone(file, plan, whole) : 0);
      Path to = fills && (first > 0 || isNew(lease.get(), file)) ? file : scratch;
      if (first > 0) {
        LOG.info("rank {}: loading goes on after {} groups, in {}.", rank, first, file);
      }
      if (to.equals(file)) {
        makeRoom(plan.fileBytes());
      }
      write(plan, writer, exchange, to, first);
      note(to, CHECKSUM, checksum(to));
      return to;
    } catch (IOException e) {
      throw new RunFailure(
          "The shard file %s cannot be kept: %s. Make room, or name another folder in SPARK_FINETUNE_SHARDS"
              .formatted(file, e.getMessage()),
          e);
    } finally {
      lease.ifPresent(ShardLease::filled);
    }
  }

  private Optional<ShardLease> lease(Path file) {
    Optional<ShardLease> lease = ShardLease.take(file);
    lease.ifPresent(leases::add);
    return lease;
  }

  /** Whether this rank may fill the file; another one that comes meanwhile keeps its own copy. */
  private static boolean fills(ShardLease lease, Path file) {
    if (!lease.fill()) {
      LOG.info("{} is being filled by another process; this one keeps a copy of its own.", file);
      return false;
    }
    if (Files.exists(file) && !Files.isWritable(file) || !Files.isWritable(file.getParent())) {
      LOG.info("{} cannot be written by this user, who keeps a copy of its own.", file);
      return false;
    }
    return true;
  }

  /** Makes place for a new file, unless another run still serves the old one. */
  private static boolean isNew(ShardLease lease, Path file) {
    try {
      if (lease.delete(() -> forget(file))) {
        return true;
      }
      LOG.info("{} is in use by another run; this one keeps a copy of its own.", file);
    } catch (IOException e) {
      LOG.info("{} cannot be made anew: {}; this run keeps a copy of its own.", file, e.toString());
    }
    return false;
  }

  private Path file(int slice, int ranks) {
    return folder.resolve("%s-%s-of-%s%s".formatted(key, slice, ranks, SHARD));
  }

  private void write(ShardPlan plan, ShardWriter writer, ProcessGroup exchange, Path to, int first)
      throws IOException {
    ShardWriter.Progress progress = done -> note(to, GROUPS, Integer.toString(done));
    int own = leases.size();
    try {
      List<Path> others = ofOtherRanks(plan);
      double[] found = {others.isEmpty() ? 0 : 1};
      if (exchange.sum("shards of other ranks", 0, found)[0] < exchange.worldSize()) {
        writer.write(to, first, progress);
        return;
      }
      LOG.info("rank {}: cut from {} shards in {}.", exchange.rank(), others.size(), folder);
      try (OtherShards source = OtherShards.open(plan, others)) {
        writer.from(source).write(to, first, progress);
      }
    } finally {
      giveBack(leases.subList(own, leases.size()));
    }
  }

  /** All shards of the model as another number of ranks has them; empty if there is no such set. */
  private List<Path> ofOtherRanks(ShardPlan plan) {
    Pattern firstOf = Pattern.compile(Pattern.quote(key + "-0-of-") + "(\\d{1,6})" + SHARD);
    List<Integer> sizes = new ArrayList<>();
    for (Path file : files()) {
      Matcher found = firstOf.matcher(file.getFileName().toString());
      if (found.matches()) {
        sizes.add(Integer.valueOf(found.group(1)));
      }
    }
    sizes.remove(Integer.valueOf(plan.ranks().size()));
    return sizes.stream()
        .filter(ranks -> IntStream.range(0, ranks).allMatch(i -> isWhole(plan, i, ranks)))
        .findFirst()
        .map(ranks -> IntStream.range(0, ranks).mapToObj(i -> file(i, ranks)).toList())
        .orElse(List.of());
  }

  private boolean isWhole(ShardPlan plan, int slice, int ranks) {
    Path file = file(slice, ranks);
    return Files.exists(file)
        && lease(file).isPresent()
        && isWhole(file, OtherShards.plan(plan, slice, ranks).fileBytes());
  }

  private static int least(ProcessGroup exchange, int own) {
    double[] counts = new double[exchange.worldSize()];
    counts[exchange.rank()] = own;
    return (int) Arrays.stream(exchange.sum("groups found", 0, counts)).min().orElse(0);
  }

  private boolean isWhole(Path file, long bytes) {
    try {
      Path note = beside(file, CHECKSUM);
      if (!Files.exists(note) || Files.size(file) != bytes) {
        return false;
      }
      if (!Files.readString(note).equals(checksum(file))) {
        LOG.warn("{} is damaged; it is made again.", file);
        return false;
      }
      used(note);
      return true;
    } catch (IOException e) {
      LOG.info("{} cannot be used: {}", file, e.toString());
      return false;
    }
  }

  private void used(Path note) {
    try {
      Files.setLastModifiedTime(note, FileTime.from(clock.instant()));
    } catch (IOException e) {
      LOG.debug("Only its owner may say that {} was used", note, e);
    }
  }

  private static int groupsDone(Path file, ShardPlan plan, boolean whole) {
    if (whole) {
      return plan.groups().size();
    }
    if (Files.exists(beside(file, CHECKSUM))) {
      // Finished once, and damaged.
      return 0;
    }
    try {
      int done = Integer.parseInt(Files.readString(beside(file, GROUPS)));
      return Files.exists(file) ? Math.max(0, Math.min(done, plan.groups().size())) : 0;
    } catch (IOException | NumberFormatException e) {
      return 0;
    }
  }

  private static String checksum(Path file) throws IOException {
    CRC32C crc = new CRC32C();
    try (InputStream in = new CheckedInputStream(Files.newInputStream(file), crc)) {
      in.transferTo(OutputStream.nullOutputStream());
    }
    return HexFormat.of().toHexDigits((int) crc.getValue());
  }

  /** Without its note a shard serves this run, and a later one makes it again. */
  private static void note(Path file, String what, String text) {
    Path aside = beside(file, what + ".new");
    try {
      Files.writeString(aside, text);
      Files.move(aside, beside(file, what), StandardCopyOption.ATOMIC_MOVE);
    } catch (IOException e) {
      LOG.info("{} cannot be written: {}", beside(file, what), e.toString());
    }
  }

  private static Path beside(Path file, String suffix) {
    return file.resolveSibling(file.getFileName() + suffix);
  }

  /** Deleting, not overwriting: another run may have it mapped. */
  private static void forget(Path file) throws IOException {
    for (String suffix : List.of(CHECKSUM, GROUPS, "")) {
      Files.deleteIfExists(beside(file, suffix));
    }
  }

  /** Deletes shards that nobody uses until there is room for so many bytes more. */
  private void makeRoom(long bytes) throws IOException {
    FileStore disk = Files.getFileStore(folder);
    for (Path oldest : othersByLastUse()) {
      if (disk.getUsableSpace() - bytes > free * disk.getTotalSpace()) {
        return;
      }
      evict(oldest);
    }
  }

  private static void evict(Path shard) {
    try {
      if (ShardLease.deleteUnused(shard, () -> forget(shard))) {
        LOG.info("{} was deleted to make room.", shard);
      }
    } catch (IOException e) {
      LOG.info("{} cannot be deleted to make room: {}", shard, e.toString());
    }
  }

  /** Whole shards of other models, and what dead runs of any model left unfinished. */
  private List<Path> othersByLastUse() {
    Map<Path, Long> lastUse = new HashMap<>();
    for (Path file : files()) {
      String name = file.getFileName().toString();
      boolean whole = Files.exists(beside(file, CHECKSUM));
      boolean ours = whole && name.startsWith(key);
      if (name.endsWith(SHARD) && Files.isRegularFile(file) && !ours) {
        lastUse.put(file, beside(file, whole ? CHECKSUM : "").toFile().lastModified());
      }
    }
    return lastUse.entrySet().stream()
        .sorted(Map.Entry.comparingByValue())
        .map(Map.Entry::getKey)
        .toList();
  }

  /** What is in the folder, as far as it can be seen. */
  private List<Path> files() {
    try (Stream<Path> files = Files.list(folder)) {
      return files.toList();
    } catch (IOException | UncheckedIOException e) {
      LOG.info("The shards in {} cannot be listed: {}", folder, e.toString());
      return List.of();
    }
  }

  /** Others may delete what this rank served. */
  @Override
  public void close() {
    giveBack(leases);
  }

  private static void giveBack(List<ShardLease> leases) {
    leases.forEach(ShardLease::close);
    leases.clear();
  }
}
