/**
 * Files of a Hugging Face hub, or of a mirror of one, in a folder on any Hadoop file system: {@link
 * org.sparkfinetune.model.hub.HubRepository}. For data sets and models alike; uses nothing of ours
 * but errors, and of libraries Hadoop, Jackson, Failsafe and the JDK.
 *
 * <p>A newcomer would ask why not {@code java.net.http}: its client has no way to give up on a body
 * that stopped coming, and a download of hours needs one. {@link java.net.HttpURLConnection} has a
 * read timeout; redirects are followed here, so that the token never leaves the hub's own host.
 *
 * <p>The cache lies as the hub's own Python library lays it out, so that either finds what the
 * other downloaded. A file has its name once its checksum was right, never before.
 */
@NullMarked
package org.sparkfinetune.model.hub;

import org.jspecify.annotations.NullMarked;
