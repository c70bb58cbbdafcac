package org.sparkfinetune.engine.exchange;

import java.io.Serializable;

/** The peer that ended a group, and what is known about why. */
public record PeerFailure(int rank, String host, String reason) implements Serializable {}
