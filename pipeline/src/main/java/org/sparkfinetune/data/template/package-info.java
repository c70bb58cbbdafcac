/**
 * Chat templates: a conversation as the text that a model reads, with the place of every content in
 * it. Uses {@code data.conversation} and the engine of {@code data.jinja}.
 */
@NullMarked
package org.sparkfinetune.data.template;

import org.jspecify.annotations.NullMarked;
