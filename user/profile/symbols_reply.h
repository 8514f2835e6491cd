/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What apoptosis-symbols found. It has read what was not to be trusted: so is what it says.
 */
#pragma once

#include <stdbool.h>

#include "core/recording.h"

/*
 * Takes the places of a recording from a file; it has none before, or loses them. False: it is no answer to what
 * was asked; the recording may hold a part of it, in which every index is good.
 */
bool symbols_reply_read(int fd, struct recording *recording);
