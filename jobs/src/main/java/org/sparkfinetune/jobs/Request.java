package org.sparkfinetune.jobs;

import java.util.List;
import java.util.Optional;

/**
 * What a user asked a configured command to do.
 *
 * @param configFile the YAML file, any path that Hadoop reads
 * @param arguments the rest of the command line, for the configuration to read
 */
record Request(Optional<String> configFile, List<String> arguments) {}
