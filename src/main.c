/* Picks the subcommand. */
#include <stdio.h>

#include "base/err.h"
#include "base/io.h"
#include "base/str.h"
#include "cli/cli.h"
#include "runner/job.h"
#include "runner/runner.h"
#include "serve.h"

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
} parts[] = { { "serve", serve_main }, { "bootstrap", bootstrap_main }, { "runner", runner_main } };

/* What was printed may be a token or a file of settings to start from: half of one is none. */
static int said(int code)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return code;
    fprintf(stderr, "signalbox: the output could not be written\n");
    return code ? code : err_exit(ERR_INTERNAL);
}

/* serve …, help serve, serve -h; -1: it is none of them */
static int run_part(int argc, char **argv)
{
    char help[] = "--help", *ask[] = { help, NULL };
    bool helping = argc == 3 && str_eq(str_of(argv[1]), STR("help"));
    for (size_t i = 0; argc >= 2 && i < sizeof parts / sizeof parts[0]; i++) {
        if (!str_eq(str_of(argv[helping ? 2 : 1]), str_of(parts[i].name)))
            continue;
        if (helping || (argc == 3 && str_eq(str_of(argv[2]), STR("-h"))))
            return said(parts[i].run(1, ask));
        return said(parts[i].run(argc - 2, argv + 2));
    }
    return -1;
}

int main(int argc, char **argv)
{
    io_sanitize_fds();
    int code;
    if (runner_job_helper(argc, argv, &code))
        return code;
    code = run_part(argc, argv);
    if (code >= 0)
        return code;
    if (argc == 2 && str_eq(str_of(argv[1]), STR("runner-job")))
        return runner_job_main();
    return cli_main(argc, argv);
}
