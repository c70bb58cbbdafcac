package org.sparkfinetune.engine.exchange;

import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.sparkfinetune.engine.exchange.NetworkEndpoint.PeerAddress;
import org.sparkfinetune.errors.Bug;

/** Who is in the group, and how messages call them. */
record GroupMembers(int rank, List<PeerAddress> addresses) {
  GroupMembers {
    addresses = List.copyOf(addresses);
    for (int i = 0; i < addresses.size(); i++) {
      if (addresses.get(i).rank() != i) {
        throw new Bug("Address %s belongs to rank %s.".formatted(i, addresses.get(i).rank()));
      }
    }
    if (rank < 0 || rank >= addresses.size()) {
      throw new Bug("Rank %s of %s ranks.".formatted(rank, addresses.size()));
    }
  }

  static GroupMembers inProcess(int rank, List<String> hosts) {
    return new GroupMembers(
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
    return "Rank %s (%s)".formatted(rank, host(rank));
  }

  String names(List<Integer> members) {
    return members.stream().map(this::name).collect(Collectors.joining(", "));
  }

  int checked(int member) {
    if (member < 0 || member >= addresses.size()) {
      throw new Bug("There is no rank %s among %s ranks.".formatted(member, addresses.size()));
    }
    return member;
  }
}
