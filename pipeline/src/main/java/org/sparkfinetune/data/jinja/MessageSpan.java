package org.sparkfinetune.data.jinja;

import org.sparkfinetune.data.conversation.Role;

/**
 * Characters that belong to one message.
 *
 * @param message its index in the conversation
 */
public record MessageSpan(int message, Role role, Span span) {}
