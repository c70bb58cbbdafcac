/**
 * What every data set becomes: {@link org.sparkfinetune.conversation.Conversation}, {@link
 * org.sparkfinetune.conversation.Message}, {@link org.sparkfinetune.conversation.Role}; the pure
 * functions that turn a row of each known shape into one, and the chat templates that turn one into
 * text. Uses nothing of ours but errors.
 *
 * <p>A newcomer would ask why rows arrive here as Jackson trees and not as Spark rows: a tree keeps
 * the type that the file wrote, so a number where a text belongs is seen and rejected instead of
 * coerced, and the converters are tested without Spark.
 *
 * <p>Hand-written around jinjava: white space control, Python's string methods and the checks for
 * what it would pass over in silence, because a template that renders almost right trains a model
 * on almost the right text.
 */
@NullMarked
package org.sparkfinetune.conversation;

import org.jspecify.annotations.NullMarked;
