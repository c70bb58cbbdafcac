/**
 * What every data set becomes: {@link org.sparkfinetune.data.conversation.Conversation}, {@link
 * org.sparkfinetune.data.conversation.Conversation.Message}, {@link
 * org.sparkfinetune.data.conversation.Conversation.Role}, and the pure functions that turn a row of
 * each known shape into one. Uses nothing of ours but errors.
 *
 * <p>Rows arrive here as Jackson trees and not as Spark rows. A tree keeps the type that the file
 * wrote, so a number where a text belongs is seen and rejected instead of coerced, and the
 * converters are tested without Spark.
 */
@NullMarked
package org.sparkfinetune.data.conversation;

import org.jspecify.annotations.NullMarked;
