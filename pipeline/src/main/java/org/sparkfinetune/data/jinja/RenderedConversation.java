package org.sparkfinetune.data.jinja;

import java.util.List;
import java.util.Optional;

/**
 * A conversation as the model reads it.
 *
 * @param origin which characters are content
 * @param generated the text inside {@code {% generation %}} blocks, if the template has any; may be
 *     an empty list then
 */
public record RenderedConversation(String text, Origin origin, Optional<List<Span>> generated) {}
