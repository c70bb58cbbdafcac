/**
 * Chat templates: Hugging Face's Jinja, rendered to the text that a model reads, with the place of
 * every content in it. Uses {@code data.conversation}.
 *
 * <p>Hand-written around jinjava: white space control, Python's string methods and the checks for
 * what it would pass over in silence, because a template that renders almost right trains a model
 * on almost the right text.
 */
@NullMarked
package org.sparkfinetune.data.jinja;

import org.jspecify.annotations.NullMarked;
