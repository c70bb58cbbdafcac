package org.sparkfinetune.exchange;

import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.sparkfinetune.errors.Bug;

/** Who is in the group, and how messages call them. */
record Members(int rank, List<PeerAddress> addresses) {
  Members {
    addresses = List.copyOf(addresses);
    for (int i = 0; i < addresses.size(); i++) {
      if (addresses.get(i).rank() != i) {
        throw new Bug("Address %d belongs to rank %d.".formatted(i, addresses.get(i).rank()));
      }
    }
    if (rank < 0 || rank >= addresses.size()) {
      throw new Bug("Rank %d of %d ranks.".formatted(rank, addresses.size()));
    }
  }

  static Members inProcess(int rank, List<String> hosts) {
    return new Members(
        rank,
        IntStream.range(0, hosts.size())
            .mapToObj(r -> new PeerAddress(r, hosts.get(r), 0))
            .toList());
  }

  int worldSize() {
    return addresses.size();
  }

  List<String> hosts() {
    return addresses.stream().map(PeerAddress::host).toList();
  }

  String host(int member) {
    return addresses.get(checked(member)).host();
  }

  String name(int member) {
    return addresses.get(checked(member)).name();
  }

  String self() {
    return "Rank %d (%s)".formatted(rank, host(rank));
  }

  String names(List<Integer> members) {
    return members.stream().map(this::name).collect(Collectors.joining(", "));
  }

  int checked(int member) {
    if (member < 0 || member >= addresses.size()) {
      throw new Bug("There is no rank %d among %d ranks.".formatted(member, addresses.size()));
    }
    return member;
  }
}
