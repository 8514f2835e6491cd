/* SPDX-License-Identifier: BSD-2-Clause */
/* Words shared by the text and the JSON renderers. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "core/incident.h"

#define FORMAT_TIME_SIZE 40 /* holds either time below */

/* "2026-01-31T12:00:00.123456Z", RFC 3339. */
void format_rfc3339(char *buf, size_t size, uint64_t realtime_ns);
/* "12:00:00.123Z". */
void format_clock(char *buf, size_t size, uint64_t realtime_ns);
/* As format_size(), with a minus sign before a negative number. */
void format_signed_size(char *buf, size_t size, int64_t bytes);

/* "growth", "charge", "tick", "reclaim"; NULL for none. */
const char *trigger_name(enum apo_trigger trigger);
/* "reserve", "forecast", "warn"; NULL for none. */
const char *rule_name(enum apo_rule rule);
/* "handled", "default", "blocked", "ignored", "init", "unknown". */
const char *disposition_name(enum apo_disposition disposition);
/* "sent", "delegated", "sent by responder", "none", "dry run", "disappeared", "failed", "told already",
   "asked its manager". */
const char *action_name(enum apo_action action);
/* "KillSignal=", "RestartKillSignal=", "ExecStop=", "container"; NULL: nothing. */
const char *declaration_name(enum apo_declaration declaration);
/* "file", "anon", "swap", "shmem". */
const char *kind_name(enum apo_kind kind);

#define COLOUR_RED "\033[31m"
#define COLOUR_GREEN "\033[32m"
#define COLOUR_YELLOW "\033[33m"
#define COLOUR_CYAN "\033[36m"
#define COLOUR_BOLD "\033[1m"

/* What the reader's terminal shows. */
struct terminal {
	bool colour;
	bool unicode;
	unsigned int columns; /* 0: it is none */
};

/* How many a line may have: 80 where it is no terminal, 40 at least. */
unsigned int terminal_columns(const struct terminal *terminal);

/*
 * Prints words, which blanks keep apart, in lines of at most so many characters. Of the first line `column` are taken
 * already, the others begin with as many blanks. A longer word has a line of its own. With a newline at the end.
 */
void print_wrapped(FILE *file, const struct terminal *terminal, unsigned int column,
		   const char *text);

/* Writes the word between the colour and its end, or bare. */
void print_coloured(FILE *file, bool colour, const char *code, const char *word);

/* The word that an event's line begins with, as wide as the longest: "too late". */
void print_word(FILE *file, bool colour, const char *code, const char *word);

/*
 * Flushes. 0, or -errno of the flush, or -EIO if an earlier write failed; the file may be written
 * to again after that.
 */
int file_result(FILE *file);
