/**
 * Chat templates: Hugging Face's Jinja, rendered to the text that a model reads, with the place of
 * every content in it. Uses {@code data.conversation}.
 *
 * <p>{@link org.sparkfinetune.data.jinja.Template} is jinja2 in Java: lexer, parser and interpreter
 * with Python's values, because no library on Java 17 gives jinja2's text. {@link
 * org.sparkfinetune.data.jinja.ChatTemplate}, which the commands use, still renders with jinjava;
 * white space control, Python's string methods and the checks for what jinjava would pass over in
 * silence are there for it and leave with it.
 */
@NullMarked
package org.sparkfinetune.data.jinja;

import org.jspecify.annotations.NullMarked;
