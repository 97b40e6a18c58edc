/* Martlet: a BGP-fed route server and proximity oracle
 * SPDX-License-Identifier: Apache-2.0
 *
 * libFuzzer's loop, for a program with a main of its own. */
#pragma once
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerRunDriver(int *argc, char ***argv, int (*body)(const uint8_t *data, size_t size));
