// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

#ifndef MARTLET_CREADLINE_SHIM_H
#define MARTLET_CREADLINE_SHIM_H

#include <stdio.h>
#include <readline/readline.h>
#include <readline/history.h>

/* Readline's settings are globals, which Swift refuses as shared mutable state. Each has an
   accessor here; all are for the one thread that edits lines. */

/* The program's name in ~/.inputrc, and what completes: file names never do. */
static inline void martlet_readline_start(rl_completion_func_t *complete) {
    rl_readline_name = "martlet";
    rl_attempted_completion_function = complete;
    rl_basic_word_break_characters = " \t";
    rl_completer_word_break_characters = " \t";
}

/* The matches of a word, which a generator gives one by one; no others are looked for. */
static inline char **martlet_matches(const char *text, rl_compentry_func_t *generator) {
    rl_attempted_completion_over = 1;
    return rl_completion_matches(text, generator);
}

/* What has been typed, up to the cursor. */
static inline const char *martlet_line(void) { return rl_line_buffer; }
static inline int martlet_cursor(void) { return rl_point; }

/* The number of the first line kept, and how many there are. */
static inline int martlet_history_base(void) { return history_base; }
static inline int martlet_history_length(void) { return history_length; }

/* Calls `command` when the key is pressed. */
static inline void martlet_bind(int key, rl_command_func_t *command) {
    rl_bind_key(key, command);
}

/* Shows the line again below what was printed. */
static inline void martlet_redisplay(void) {
    rl_on_new_line();
    rl_redisplay();
}

/* Calls `hook` when a signal has broken the wait for a key, after readline's own handling, and ten
   times a second: a signal that comes while readline does something else breaks no wait. */
static inline void martlet_while_waiting(int (*hook)(void)) {
    rl_signal_event_hook = hook;
    rl_event_hook = hook;
}

/* Hands on a signal that came between the end of a line and that of readline's handlers: else nobody
   would hear of it before the next line. */
static inline void martlet_hand_on_signal(void) {
    if (rl_pending_signal() == 0) return;
    rl_check_signals();
    /* It has set up the terminal again, to go on with the line. */
    rl_deprep_terminal();
    rl_clear_signals();
}

/* Forgets what has been typed, and shows the prompt on a new line. */
static inline void martlet_forget_line(void) {
    rl_crlf();
    rl_on_new_line();
    rl_replace_line("", 1);
    rl_redisplay();
}

#endif
