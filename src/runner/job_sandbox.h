/*
 * job_sandbox: what a workflow is kept from. It runs code of the repository with the rights of the
 * runner, and must not reach the runner itself.
 *
 * Always: no new privileges (setuid programs give none), no core dumps, its own session, limits.
 * Where the kernel allows user namespaces: own process ids (nothing outside can be seen or
 * signalled, nothing inside outlives the run), /tmp and /var/tmp of its own, and what the runner
 * keeps on disk is not there. Where it does not, but has Landlock: what the runner keeps on disk
 * cannot be opened. The network stays as it is: Terraform needs it.
 */
#ifndef SIGNALBOX_RUNNER_JOB_SANDBOX_H
#define SIGNALBOX_RUNNER_JOB_SANDBOX_H
#include "base/arena.h"
#include "base/err.h"
#include "runner/job_order.h"

struct sandbox {
    const char  *tmp;           /* becomes /tmp and /var/tmp; NULL: all files stay as they are */
    const char **hide;          /* folders and files that must not be there; ends in NULL */
    const char **keep;          /* what must stay reachable in spite of that; ends in NULL */
    struct job_limits limits;
    bool         namespaces, landlock;      /* to be tried */
};

/*
 * clone(2) like fork, with more namespaces: a single-threaded process only. The child is the first
 * of its process ids when CLONE_NEWPID is given.
 */
int process_clone(unsigned long namespaces);
/* In the clone, before anything else: maps the user, mounts. False: the text says what refused. */
bool sandbox_enter(const struct sandbox *box, unsigned uid, unsigned gid,
                   struct err *e) MUST_CHECK;
/* In the process that will be the program: limits, and Landlock without namespaces. */
bool sandbox_limit(const struct sandbox *box, bool in_namespaces, struct err *e) MUST_CHECK;

/* What is on here. Forks: before the caller has threads. */
struct sandbox_parts {
    bool no_new_privs, namespaces, private_proc, landlock;
    char why[256];              /* that namespaces are off, or empty */
};
void sandbox_probe(struct sandbox_parts *out);
str  sandbox_words(struct arena *mem, const struct sandbox_parts *parts);   /* for the start's log */

#endif
