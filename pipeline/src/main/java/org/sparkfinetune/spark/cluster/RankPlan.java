package org.sparkfinetune.spark.cluster;

import java.io.Serializable;

/**
 * How many ranks there are, and the cores of an executor that each asks for so that no second one
 * fits beside it.
 */
public record RankPlan(int worldSize, int coresPerRank) implements Serializable {}
