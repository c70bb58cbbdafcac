/**
 * The three ways in which a command can fail: {@link org.sparkfinetune.errors.UserError} (exit 2),
 * {@link org.sparkfinetune.errors.RunFailure} and {@link org.sparkfinetune.errors.Bug} (exit 1).
 * They are types, not codes in one type, because each is handled in another place: a user's mistake
 * is never retried, a run failure is, and a bug keeps its stack trace. Uses nothing.
 */
@NullMarked
package org.sparkfinetune.errors;

import org.jspecify.annotations.NullMarked;
