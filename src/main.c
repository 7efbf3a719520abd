/* Picks the subcommand. */
#include <stdio.h>

#include "base/io.h"
#include "base/str.h"
#include "cli/cli.h"
#include "runner/job.h"
#include "runner/runner.h"
#include "serve.h"

int main(int argc, char **argv)
{
    io_sanitize_fds();
    int code;
    if (runner_job_helper(argc, argv, &code))
        return code;
    if (argc >= 2 && str_eq(str_of(argv[1]), STR("serve")))
        return serve_main(argc - 2, argv + 2);
    if (argc >= 2 && str_eq(str_of(argv[1]), STR("bootstrap")))
        return bootstrap_main(argc - 2, argv + 2);
    if (argc >= 2 && str_eq(str_of(argv[1]), STR("runner")))
        return runner_main(argc - 2, argv + 2);
    if (argc == 2 && str_eq(str_of(argv[1]), STR("runner-job")))
        return runner_job_main();
    return cli_main(argc, argv);
}
