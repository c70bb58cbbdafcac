/**
 * Files and folders on any Hadoop file system: written whole or not at all, retried, replaced while
 * others read them, and leased by the process at work in them.
 *
 * <p>Leases are neither ZooKeeper's nor the file system's own locks: a run folder may lie on an
 * object store, and our users have no server to add. A process names itself in a file and rewrites
 * it every few seconds with a number that grows. A writer whose file changes is alive; one whose
 * file stays as it is for a minute of looking is dead. No clocks are compared, neither two hosts'
 * nor a host's and the store's. On one kernel the process table says at once who is dead.
 */
@NullMarked
package org.sparkfinetune.store;

import org.jspecify.annotations.NullMarked;
