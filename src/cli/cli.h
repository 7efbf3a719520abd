/* cli: every subcommand but the servers, as a thin HTTP client of `signalbox serve`. */
#ifndef SIGNALBOX_CLI_CLI_H
#define SIGNALBOX_CLI_CLI_H

int cli_main(int argc, char **argv);        /* exit code: base/err.h's table */

#endif
