/**
 * Signs of life on any Hadoop file system: who is at work in a folder, and whether he still lives.
 * Uses nothing of ours.
 *
 * <p>A newcomer may ask for ZooKeeper or the file system's own locks: a run folder may lie on an
 * object store, and our users have no server to add. So a writer names itself in a file and
 * rewrites it every few seconds; whoever finds an old one takes the writer for dead.
 */
@NullMarked
package org.sparkfinetune.lease;

import org.jspecify.annotations.NullMarked;
