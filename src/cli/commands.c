#include <stdio.h>

#include "base/err.h"
#include "cli/cli.h"

int cli_main(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    fprintf(stderr, "usage: signalbox serve [--help]\n       signalbox bootstrap\n");
    return err_exit(ERR_INVALID);
}
