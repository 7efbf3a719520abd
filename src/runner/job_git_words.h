/* job_git_words: what git and ssh say when a clone fails, in words that say what to do. */
#ifndef SIGNALBOX_RUNNER_JOB_GIT_WORDS_H
#define SIGNALBOX_RUNNER_JOB_GIT_WORDS_H
#include "base/arena.h"

struct git_trouble {
    bool is_network;        /* another attempt may help */
    bool asks_for_branches; /* what branches are there would help whoever reads it */
    str  text;              /* one line */
};
/* `said`: all that git wrote, ssh's debug1 lines included (they hold the key that a host showed). */
struct git_trouble git_trouble(struct arena *mem, str said, str url, str branch);
/* The host of an address, with its port where it is not ssh's; empty for a path. */
str  url_host(struct arena *mem, str url, str *port);
/* What of it is for people: no debug lines. */
str  git_said(struct arena *mem, str said);

#endif
